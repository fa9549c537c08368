"""Losses and costs of masks at points."""

import math

import torch
from torch.nn import functional as F

from vision.losses.point_masks import mask_costs, mask_losses, point_losses, whole_masks
from vision.ops.mask_points import PointOptions, sample_maps


def test_a_loss_worked_by_hand() -> None:
    """Probabilities 1/2 and 3/4 at two points of the object and one beside it."""
    logits = torch.tensor([[0.0, math.log(3), math.log(3)]])
    entropy, dice = point_losses(logits, torch.tensor([[1.0, 1.0, 0.0]]))
    expected = (math.log(2) + math.log(4 / 3) + math.log(4)) / 3
    torch.testing.assert_close(entropy, torch.tensor([expected]))
    # 1 - (2 * (1/2 + 3/4) + 1) / (1/2 + 3/4 + 3/4 + 2 + 1)
    torch.testing.assert_close(dice, torch.tensor([1 - 3.5 / 5]))


def test_at_all_middles_of_pixels_it_is_the_dense_loss() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 6, 8), torch.rand(2, 6, 8).round()
    y, x = torch.meshgrid((torch.arange(6) + 0.5) / 6, (torch.arange(8) + 0.5) / 8, indexing="ij")
    points = torch.stack([x, y], dim=-1).flatten(0, 1).expand(2, -1, -1)
    found = point_losses(
        sample_maps(logits[:, None], points)[:, 0], sample_maps(target[:, None], points)[:, 0]
    )
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=(1, 2))
    probability = logits.sigmoid()
    common = (probability * target).sum(dim=(1, 2))
    whole = probability.sum(dim=(1, 2)) + target.sum(dim=(1, 2))
    torch.testing.assert_close(found[0], entropy)
    torch.testing.assert_close(found[1], 1 - (2 * common + 1) / (whole + 1))


def test_costs_of_pairs_are_their_losses() -> None:
    torch.manual_seed(0)
    codes, features = torch.randn(2, 3, 4), torch.randn(2, 4, 10)
    target = torch.rand(2, 5, 10)
    entropy, dice = mask_costs(codes, features, target)
    assert entropy.shape == dice.shape == (2, 3, 5)
    logits = codes @ features
    for place in range(5):
        for query in range(3):
            found = point_losses(logits[:, query], target[:, place])
            torch.testing.assert_close(entropy[:, query, place], found[0])
            torch.testing.assert_close(dice[:, query, place], found[1])


def test_whole_masks_are_dot_products_of_each_image() -> None:
    codes, features = torch.randn(3, 4), torch.randn(3, 4, 2, 5)
    found = whole_masks(codes, features, [2, 0, 1])
    expected = torch.einsum("tc,tchw->thw", codes, features[[0, 0, 2]])
    torch.testing.assert_close(found, expected)


def test_large_maps_with_little_detail_need_few_points() -> None:
    """A mask that is right everywhere costs nothing, its opposite much; gradients arrive."""
    torch.manual_seed(0)
    mask = torch.zeros(2, 32, 32, dtype=torch.bool)
    mask[1, :, :16] = True
    logits = torch.where(mask[:, ::4, ::4], 30.0, -30.0).requires_grad_()
    options = PointOptions(count=64)
    entropy, dice = mask_losses(logits, mask, torch.tensor([0, 1]), torch.ones(2, 2), options)
    wrong, apart = mask_losses(-logits, mask, torch.tensor([0, 1]), torch.ones(2, 2), options)
    # Between the cells of the map the border is soft.
    assert entropy < 1
    assert wrong > 20
    assert dice < 0.3
    assert apart > 1
    (wrong + apart).backward()
    assert logits.grad.any()


def test_no_matched_query_has_a_gradient_of_zero() -> None:
    codes = torch.zeros(0, 4, requires_grad=True)
    features = torch.randn(2, 4, 8, 8, requires_grad=True)
    logits = whole_masks(codes, features, [0, 0])
    nothing = torch.zeros(0, dtype=torch.int64)
    masks = torch.zeros(1, 32, 32, dtype=torch.bool)
    options = PointOptions(count=16)
    entropy, dice = mask_losses(logits, masks, nothing, torch.ones(0, 2), options)
    (entropy + dice).backward()
    assert (entropy + dice).item() == 0
    assert not features.grad.any()
