"""Masks in boxes and in images, against plain loops and torchvision's."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import masks_to_boxes as torchvision_boxes
from torchvision.ops import roi_align

from vision.ops import masks as module
from vision.ops.masks import crop_masks, masks_to_boxes, paste_masks

Paste = Callable[[Tensor, Tensor, tuple[int, int], float], Tensor]


def value_at(mask: Tensor, y: float, x: float) -> float:
    """Bilinear interpolation between centres of cells, zeros beyond the grid."""
    height, width = mask.shape
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                total += share * mask[row, column].item()
    return total


pastes = pytest.mark.parametrize("paste", [module._paste_windows, module._paste_whole])


@pastes
def test_each_pixel_is_interpolated_at_its_centre(paste: Paste) -> None:
    torch.manual_seed(0)
    masks = torch.rand(3, 5, 4)
    boxes = torch.tensor([[2.3, 1.1, 14.8, 11.9], [-4.0, -3.0, 8.0, 6.5], [10.0, 5.0, 30.0, 30.0]])
    ours = paste(masks, boxes, (13, 17), 0.5)
    assert ours.shape == (3, 13, 17)
    assert ours.dtype == torch.bool
    for mask, (x1, y1, x2, y2), pasted in zip(masks, boxes.tolist(), ours, strict=True):
        for i in range(13):
            for j in range(17):
                y = (i + 0.5 - y1) / (y2 - y1) * 5 - 0.5
                x = (j + 0.5 - x1) / (x2 - x1) * 4 - 0.5
                assert bool(pasted[i, j]) == (value_at(mask, y, x) >= 0.5)


def test_they_are_nearly_torchvisions() -> None:
    # torchvision rounds the boxes to whole pixels, and counts both ends as inside.
    y, x = torch.meshgrid(torch.linspace(-1, 1, 28), torch.linspace(-1, 1, 28), indexing="ij")
    masks = torch.stack([(-3 * (x**2 + y**2 - 0.5)).sigmoid(), (-3 * (x.abs() - 0.4)).sigmoid()])
    boxes = torch.tensor([[10.0, 20, 66, 80], [0, 0, 90, 50]])
    ours = paste_masks(masks, boxes, (100, 120))
    theirs = paste_masks_in_image(masks[:, None], boxes, (100, 120))[:, 0] >= 0.5
    common, union = (ours & theirs).sum(dim=(1, 2)), (ours | theirs).sum(dim=(1, 2))
    assert (common / union > 0.93).all()


@pastes
def test_a_full_mask_fills_its_box_for_any_number_pasted_at_a_time(
    paste: Paste,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boxes = torch.tensor([[2.0, 3.0, 9.0, 8.0], [0.0, 0.0, 12.0, 10.0], [5.0, 5.0, 5.0, 5.0]])
    at_once = paste(torch.ones(3, 28, 28), boxes, (10, 12), 0.5)
    expected = torch.zeros(10, 12, dtype=torch.bool)
    expected[3:8, 2:9] = True
    assert torch.equal(at_once[0], expected)
    assert at_once[1].all()
    assert not at_once[2].any()  # an empty box
    monkeypatch.setattr(module, "MAX_PIXELS", 1)
    assert torch.equal(paste(torch.ones(3, 28, 28), boxes, (10, 12), 0.5), at_once)
    assert paste(torch.ones(0, 28, 28), boxes[:0], (10, 12), 0.5).shape == (0, 10, 12)


def test_windows_and_whole_images_agree() -> None:
    torch.manual_seed(0)
    masks = torch.rand(40, 28, 28)
    corner, size = torch.rand(40, 2) * 60 - 10, torch.rand(40, 2) * 40
    boxes = torch.cat([corner, corner + size], dim=1)
    for threshold in (0.1, 0.5, 1.0):
        expected = module._paste_whole(masks, boxes, (45, 50), threshold)
        assert torch.equal(paste_masks(masks, boxes, (45, 50), threshold), expected)


def test_boxes_of_masks_are_torchvisions_with_an_exclusive_corner() -> None:
    torch.manual_seed(0)
    masks = torch.rand(20, 9, 14) > 0.97
    masks[:, 4, 5] = True
    expected = torchvision_boxes(masks) + torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert torch.equal(masks_to_boxes(masks), expected)
    assert masks_to_boxes(torch.zeros(2, 9, 14, dtype=torch.bool)).tolist() == [[0.0] * 4] * 2
    assert masks_to_boxes(torch.zeros(0, 9, 14, dtype=torch.bool)).shape == (0, 4)


@pytest.mark.parametrize("maximum", [2**25, 2 * 40 * 50])
def test_crops_are_torchvisions_roi_align(maximum: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", maximum)
    torch.manual_seed(0)
    masks = torch.rand(5, 40, 50) > 0.4
    corner, size = torch.rand(12, 2) * 20, torch.rand(12, 2) * 20 + 1
    boxes = torch.cat([corner, corner + size], dim=1)
    index = torch.randint(0, 5, (12,))
    ours = crop_masks(masks, index, boxes, 8)
    rois = torch.cat([index[:, None].float(), boxes], dim=1)
    theirs = roi_align(masks[:, None].float(), rois, 8, sampling_ratio=0, aligned=True)[:, 0]
    assert torch.equal(ours, (theirs >= 0.5).float())
    assert 0 < ours.mean() < 1


def test_a_crop_pasted_back_is_the_mask() -> None:
    y, x = torch.meshgrid(torch.arange(60) + 0.5, torch.arange(70) + 0.5, indexing="ij")
    mask = ((x - 35) / 22) ** 2 + ((y - 28) / 17) ** 2 < 1
    box = masks_to_boxes(mask[None])
    assert box.tolist() == [[13.0, 11.0, 57.0, 45.0]]
    back = paste_masks(crop_masks(mask[None], torch.tensor([0]), box, 28), box, (60, 70))[0]
    assert (back & mask).sum() / (back | mask).sum() > 0.95
