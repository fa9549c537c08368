"""The focal loss against torchvision's, terms and gradients."""

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F

from vision.losses.focal import sigmoid_focal_loss
from vision.ops.matching import BACKGROUND, IGNORED

LABELS = torch.tensor([[0, 4, BACKGROUND, IGNORED, 2, BACKGROUND], [IGNORED, 3, 3, 1, -1, -1]])


def some_logits(dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    logits[0, 0, 0], logits[0, 1, 4], logits[0, 2, 1] = 30.0, -30.0, 30.0
    return logits.to(dtype).requires_grad_()


def reference(logits: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
    target = F.one_hot(labels.clamp(min=-1) + 1, logits.shape[-1] + 1)[..., 1:].to(logits.dtype)
    loss = torchvision.ops.sigmoid_focal_loss(logits, target, alpha, gamma)
    return loss[labels != IGNORED].sum()


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.75, 1.5)])
def test_equals_torchvision(alpha: float, gamma: float) -> None:
    ours, theirs = some_logits(), some_logits()
    loss = sigmoid_focal_loss(ours, LABELS, alpha=alpha, gamma=gamma)
    expected = reference(theirs, LABELS, alpha, gamma)
    torch.testing.assert_close(loss, expected)
    (3 * loss).backward()
    (3 * expected).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_gradient_equals_differences() -> None:
    assert torch.autograd.gradcheck(lambda x: sigmoid_focal_loss(x, LABELS), some_logits())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    logits = some_logits(dtype)
    loss = sigmoid_focal_loss(logits, LABELS)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, reference(logits.detach().float(), LABELS, 0.25, 2.0))
    loss.backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


def test_logits_of_any_size_give_finite_values() -> None:
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = sigmoid_focal_loss(logits, torch.tensor([1, BACKGROUND]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_ignored_rows_have_no_gradient() -> None:
    logits = some_logits()
    sigmoid_focal_loss(logits, LABELS).backward()
    silent = (logits.grad == 0).all(dim=-1)
    assert torch.equal(silent, LABELS == IGNORED)
