"""The Lovász-Softmax loss against what it extends, and in cases worked by hand."""

import itertools

import pytest
import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.losses.lovasz import LovaszOptions, lovasz_loss


def some() -> tuple[Tensor, Tensor]:
    """Logits, and labels with ignored pixels; class 3 is absent."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 5, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 5, 4), generator=generator)
    labels[:, 1:3, 2:] = IGNORED
    return logits.requires_grad_(), labels


def test_it_is_one_minus_the_overlap_where_every_pixel_is_certain() -> None:
    for predicted in itertools.product(range(3), repeat=4):
        labels = torch.tensor([[[0, 1], [1, 0]]])
        mask = torch.tensor(predicted).view(1, 2, 2)
        logits = 1e3 * torch.nn.functional.one_hot(mask, 3).permute(0, 3, 1, 2).float()
        overlaps = [
            ((mask == c) & (labels == c)).sum() / ((mask == c) | (labels == c)).sum()
            for c in (0, 1)  # the classes that are there
        ]
        expected = 1 - torch.stack(overlaps).mean()
        torch.testing.assert_close(lovasz_loss(logits, labels, LovaszOptions()), expected)


def test_a_case_worked_by_hand() -> None:
    # Of class 0 the errors are 0.25 (present) and 0.5 (absent): 0.5 first makes the overlap 1 / 2,
    # then 0.25 makes it 0; so 0.5 * 0.5 + 0.25 * 0.5. Of class 1 they are 0.25 (absent) and 0.5
    # (present): 0.5 first makes the overlap 0, and nothing is left to lose.
    probability = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    logits = probability.log().T.reshape(1, 2, 1, 2)
    loss = lovasz_loss(logits, torch.tensor([[[0, 1]]]), LovaszOptions())
    assert loss.item() == pytest.approx((0.375 + 0.5) / 2)


@pytest.mark.parametrize("per_image", [False, True])
def test_gradient_equals_differences(per_image: bool) -> None:
    logits, labels = some()
    options = LovaszOptions(per_image=per_image)
    assert torch.autograd.gradcheck(lambda x: lovasz_loss(x, labels, options), logits)


def test_ignored_pixels_do_not_count() -> None:
    logits, labels = some()
    lovasz_loss(logits, labels, LovaszOptions()).backward()
    ignored = (labels == IGNORED)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()


def test_an_image_without_labels_counts_as_zero() -> None:
    logits, labels = some()
    labels[1] = IGNORED
    options = LovaszOptions(per_image=True)
    alone = lovasz_loss(logits[:1], labels[:1], options)
    torch.testing.assert_close(lovasz_loss(logits, labels, options), alone / 2)
    loss = lovasz_loss(logits, torch.full_like(labels, IGNORED), LovaszOptions())
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_the_order_of_many_pixels_does_not_change_the_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 300, 300, generator=generator)
    labels = torch.randint(0, 2, (1, 300, 300), generator=generator)
    loss = lovasz_loss(logits, labels, LovaszOptions())
    exact = lovasz_loss(logits.double(), labels, LovaszOptions())
    torch.testing.assert_close(loss.double(), exact, rtol=1e-6, atol=0)
