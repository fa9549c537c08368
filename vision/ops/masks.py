"""Masks of objects: from a grid that spans the box to pixels of the image, and back.

D and R count boxes.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from vision.ops.boxes import at_least_float32

MAX_PIXELS = 2**25  # held in float32 at a time: 128 MiB


def paste_masks(
    masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float = 0.5
) -> Tensor:
    """Draw masks that span their boxes into an image.

    A pixel gets the value that bilinear interpolation gives at its centre; outside of the grid the
    values are 0, so that masks fade out over half a cell at the border of their boxes.

    Args:
        masks: Probabilities `(D, h, w)`.
        boxes: `(D, 4)` in pixels of the image.
        size: Height H and width W of the image in pixels.
        threshold: Minimum probability of a pixel of the object, more than 0.

    Returns:
        bool `(D, H, W)`.
    """
    # On a CPU each pixel costs, and those far from the box are left out; on a GPU calls do.
    paste = _paste_windows if masks.is_cpu else _paste_whole
    return paste(masks, boxes, size, threshold)


def _paste_windows(masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float) -> Tensor:
    pasted = torch.zeros(len(masks), *size, dtype=torch.bool, device=masks.device)
    for mask, box, image in zip(masks, boxes, pasted, strict=True):
        rows, columns = _window(mask, box, size)
        image[rows, columns] = _paste(mask[None], box[None], rows, columns)[0] >= threshold
    return pasted


def _paste_whole(masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float) -> Tensor:
    height, width = size
    pasted = torch.zeros(len(masks), height, width, dtype=torch.bool, device=masks.device)
    step = max(1, MAX_PIXELS // max(1, height * width))
    for start in range(0, len(masks), step):
        part = slice(start, start + step)
        whole = _paste(masks[part], boxes[part], slice(0, height), slice(0, width))
        pasted[part] = whole >= threshold
    return pasted


def _window(mask: Tensor, box: Tensor, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the image that a mask can reach: its box and half a cell around."""
    x1, y1, x2, y2 = box.tolist()
    rows, columns = mask.shape
    return (
        _span(y1, y2, (y2 - y1) / rows / 2, size[0]),
        _span(x1, x2, (x2 - x1) / columns / 2, size[1]),
    )


def _span(low: float, high: float, margin: float, count: int) -> slice:
    if not high > low:
        return slice(0, 0)
    start = min(max(math.floor(low - margin), 0), count)
    return slice(start, max(start, min(math.ceil(high + margin), count)))


def _paste(masks: Tensor, boxes: Tensor, rows: slice, columns: slice) -> Tensor:
    masks = at_least_float32(masks)
    boxes = boxes.to(masks.dtype)
    x = _places(boxes[:, 0], boxes[:, 2], columns)  # (D, W)
    y = _places(boxes[:, 1], boxes[:, 3], rows)  # (D, H)
    grid = torch.stack(
        [x[:, None].expand(-1, y.shape[1], -1), y[:, :, None].expand(-1, -1, x.shape[1])], dim=-1
    )  # (D, H, W, 2)
    if grid.numel() == 0:
        return grid[..., 0]
    return F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]


def _places(low: Tensor, high: Tensor, pixels: slice) -> Tensor:
    # Centres of pixels on a scale that is -1 and 1 at the sides of the box.
    centres = torch.arange(pixels.start, pixels.stop, device=low.device, dtype=low.dtype) + 0.5
    scaled = (centres - low[:, None]) / (high - low)[:, None] * 2 - 1
    # An empty box has no inside: all pixels lie beyond the grid.
    return torch.where((high > low)[:, None], scaled, 2.0)


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The smallest box around each mask.

    Args:
        masks: bool `(M, H, W)`.

    Returns:
        float32 `(M, 4)`, the second corner exclusive; zeros for an empty mask.
    """
    count, height, width = masks.shape
    rows, columns = masks.any(dim=2), masks.any(dim=1)  # (M, H), (M, W)
    if count == 0 or height == 0 or width == 0:
        return torch.zeros(count, 4, device=masks.device)
    x1, y1 = columns.int().argmax(dim=1), rows.int().argmax(dim=1)
    x2 = width - columns.flip(1).int().argmax(dim=1)
    y2 = height - rows.flip(1).int().argmax(dim=1)
    boxes = torch.stack([x1, y1, x2, y2], dim=1).float()
    return boxes * rows.any(dim=1, keepdim=True)


@torch.no_grad()
def crop_masks(masks: Tensor, mask_index: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Crop masks to boxes and sample them on a grid, as targets of a mask branch.

    "Mask R-CNN", He et al., 2017, section 3.1: RoIAlign of the mask, and then a threshold of 0.5.

    Args:
        masks: bool `(N, H, W)`, of all images.
        mask_index: int64 `(R,)`, the mask of each box.
        boxes: `(R, 4)` in pixels.
        size: Cells of the grid along each side.

    Returns:
        float32 `(R, size, size)` of 0 and 1.
    """
    boxes = at_least_float32(boxes)
    total = boxes.new_zeros(len(boxes), size, size)
    # As floats, all masks at once could fill the memory. Of a part of them, the boxes of others are
    # made empty, which costs next to nothing; see `multi_level_roi_align`.
    step = max(1, MAX_PIXELS // max(1, masks.shape[1] * masks.shape[2]))
    for start in range(0, len(masks), step):
        part = masks[start : start + step, None].to(boxes.dtype)
        local = mask_index - start
        here = (local >= 0) & (local < len(part))
        image = local.clamp(0, len(part) - 1).to(boxes.dtype)
        rois = torch.cat([image[:, None], boxes * here[:, None]], dim=1)  # (R, 5)
        total += roi_align(part, rois, size, sampling_ratio=0, aligned=True)[:, 0]
    return (total >= 0.5).float()
