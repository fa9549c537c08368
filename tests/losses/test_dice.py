"""The Dice loss, in cases worked by hand and against its definition in loops."""

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError
from vision.losses.dice import DiceOptions, dice_loss


def some() -> tuple[Tensor, Tensor]:
    """Logits, and labels with ignored pixels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 5, 4), generator=generator)
    labels[:, 1:3, 2:] = IGNORED
    return logits.requires_grad_(), labels


def test_certain_and_right_is_zero_and_certain_and_wrong_is_one() -> None:
    labels = torch.tensor([[[0, 1], [1, IGNORED]]])
    right = 100 * torch.tensor([[[[1.0, 0], [0, 1]], [[0, 1], [1, 0]]]])
    options = DiceOptions(smooth=1e-9)
    assert dice_loss(right, labels, options).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(right.flip(1), labels, options).item() == pytest.approx(1)


def test_a_case_worked_by_hand() -> None:
    # One half each for two classes, three labelled pixels: sum(p g) = 1.5, sum(p^2) = 1.5,
    # sum(g^2) = 3; the ignored pixel adds 0.5 to sum(p^2) where it counts.
    logits, labels = torch.zeros(1, 2, 2, 2), torch.tensor([[[0, 0], [1, IGNORED]]])
    loss = dice_loss(logits, labels, DiceOptions(smooth=0.25))
    assert loss.item() == pytest.approx(1 - 3 / (4.5 + 0.5))
    loss = dice_loss(logits, labels, DiceOptions(smooth=0.25, count_ignored=True))
    assert loss.item() == pytest.approx(1 - 3 / (5 + 0.5))
    # Per class: sum(p g) = 1 and 0.5, sum(p^2) = 0.75, sum(g^2) = 2 and 1.
    loss = dice_loss(logits, labels, DiceOptions(per_class=True))
    assert loss.item() == pytest.approx((1 - 3 / 3.75 + 1 - 2 / 2.75) / 2)


@pytest.mark.parametrize("per_class", [False, True])
def test_ignored_pixels_do_not_count(per_class: bool) -> None:
    logits, labels = some()
    options = DiceOptions(per_class=per_class)
    loss = dice_loss(logits, labels, options)
    loss.backward()
    ignored = (labels == IGNORED)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).all()
    other = logits.detach().masked_fill(ignored, 7.0)
    torch.testing.assert_close(dice_loss(other, labels, options), loss.detach())


@pytest.mark.parametrize("options", [DiceOptions(), DiceOptions(per_class=True)])
def test_gradient_equals_differences(options: DiceOptions) -> None:
    logits, labels = some()
    assert torch.autograd.gradcheck(lambda x: dice_loss(x, labels, options), logits)


def test_an_image_without_labels_counts_as_zero() -> None:
    logits, labels = some()
    labels[1] = IGNORED
    for options in (DiceOptions(), DiceOptions(per_class=True)):
        alone = dice_loss(logits[:1], labels[:1], options)
        torch.testing.assert_close(dice_loss(logits, labels, options), alone / 2)


def test_a_smooth_out_of_range_is_refused() -> None:
    with refuses(ConfigError, "dice.smooth=0", "above 0"):
        DiceOptions(smooth=0)
