"""Pooling from a pyramid, against torchvision's and a ramp whose averages are known."""

import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, roi_align

from vision.ops.roi import multi_level_roi_align, roi_levels

STRIDES = (4, 8, 16, 32)
HEIGHT, WIDTH = 192, 256


def boxes_of_sides(*sides: float) -> Tensor:
    return torch.tensor(
        [[3.0 + i, 5.0, 3.0 + i + side, 5.0 + side] for i, side in enumerate(sides)]
    )


def test_levels_are_those_of_equation_1() -> None:
    sides = [1, 55, 56, 111, 112, 223, 224, 447, 448, 2000]
    expected = [min(3, max(0, math.floor(4 + math.log2(side / 224) - 2))) for side in sides]
    assert expected == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert roi_levels(boxes_of_sides(*sides), 4).tolist() == expected
    assert roi_levels(torch.zeros(1, 4), 4).tolist() == [0]


def test_levels_are_torchvisions() -> None:
    torch.manual_seed(0)
    corner, size = torch.rand(200, 2) * 100, torch.rand(200, 2) * 400 + 12
    boxes = torch.cat([corner, corner + size], dim=1)
    pooler = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=2, sampling_ratio=0)
    # A map that holds its own number: the pooled value is the level.
    maps = {
        str(i): torch.full((1, 1, HEIGHT * 4 // s, WIDTH * 4 // s), float(i))
        for i, s in enumerate(STRIDES)
    }
    theirs = pooler(maps, [boxes], [(HEIGHT * 4, WIDTH * 4)])
    ours = multi_level_roi_align(
        list(maps.values()), STRIDES, boxes, torch.zeros(200).long(), size=2
    )
    assert torch.equal(roi_levels(boxes, 4).float(), theirs[:, 0, 0, 0])
    torch.testing.assert_close(ours, theirs)


def test_each_box_is_pooled_as_by_torchvision_from_its_own_map_and_image() -> None:
    torch.manual_seed(0)
    features = [torch.randn(3, 5, HEIGHT // s, WIDTH // s) for s in STRIDES]
    boxes = boxes_of_sides(8, 20, 60, 120, 130, 150, 240, 500)
    image = torch.tensor([0, 2, 1, 2, 0, 1, 2, 1])
    ours = multi_level_roi_align(features, STRIDES, boxes, image, size=7)
    for r, level in enumerate(roi_levels(boxes, 4).tolist()):
        expected = roi_align(
            features[level][image[r] : image[r] + 1],
            [boxes[r : r + 1]],
            7,
            spatial_scale=1 / STRIDES[level],
            sampling_ratio=0,
            aligned=True,
        )
        assert torch.equal(ours[r : r + 1], expected)


@pytest.mark.parametrize("stride", STRIDES)
def test_a_ramp_gives_the_centres_of_the_cells(stride: int) -> None:
    # Each cell of the map holds the x of its own centre, in pixels.
    x = (torch.arange(WIDTH // stride) + 0.5) * stride
    feature = x.expand(1, 1, HEIGHT // stride, -1)
    box = torch.tensor([[64.0, 64.0, 160.0, 128.0]])
    pooled = multi_level_roi_align([feature], (stride,), box, torch.zeros(1).long(), size=4)
    expected = 64 + (torch.arange(4) + 0.5) * 96 / 4
    torch.testing.assert_close(pooled[0, 0], expected.expand(4, 4))


def test_empty_boxes_give_zeros_and_types_are_kept() -> None:
    features = [torch.ones(1, 2, HEIGHT // s, WIDTH // s) for s in STRIDES]
    boxes = torch.cat([torch.zeros(1, 4), boxes_of_sides(40)])
    index = torch.zeros(2).long()
    pooled = multi_level_roi_align(features, STRIDES, boxes, index, size=2)
    assert pooled[0].abs().max() == 0
    torch.testing.assert_close(pooled[1], torch.ones(2, 2, 2))
    half = [feature.bfloat16() for feature in features]
    assert multi_level_roi_align(half, STRIDES, boxes, index, size=2).dtype == torch.bfloat16
    double = [feature.double() for feature in features]
    assert multi_level_roi_align(double, STRIDES, boxes, index, size=2).dtype == torch.float64


def test_gradients_reach_the_map_of_the_box_alone() -> None:
    features = [torch.ones(1, 1, HEIGHT // s, WIDTH // s, requires_grad=True) for s in STRIDES]
    pooled = multi_level_roi_align(
        features, STRIDES, boxes_of_sides(120), torch.zeros(1).long(), size=7
    )
    pooled.sum().backward()
    sums = [feature.grad.sum().item() for feature in features if feature.grad is not None]
    assert len(sums) == 4
    assert sums == pytest.approx([0, 49, 0, 0])


def test_the_way_without_lists_of_boxes_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    features = [torch.randn(2, 3, HEIGHT // s, WIDTH // s, requires_grad=True) for s in STRIDES]
    boxes = boxes_of_sides(8, 60, 120, 240)
    image = torch.tensor([0, 1, 1, 0])
    listed = multi_level_roi_align(features, STRIDES, boxes, image, size=7)
    grads = torch.autograd.grad(listed.square().sum(), features)
    # As on a GPU, or while a program is exported.
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    masked = multi_level_roi_align(features, STRIDES, boxes, image, size=7)
    assert torch.equal(masked, listed)
    for ours, theirs in zip(
        torch.autograd.grad(masked.square().sum(), features), grads, strict=True
    ):
        torch.testing.assert_close(ours, theirs)
