"""Boundary regions of label maps, for the boundary IoU.

"Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", Cheng, Girshick, Dollár,
Berg and Kirillov, 2021, equation 1: the boundary region of a mask is the part of it within d pixels
of its contour, the border of the image included. As in the authors' code, distance counts steps to
the eight neighbours, and d is 2 % of the image's diagonal.

The authors erode the mask of each class in turn. Here all classes are computed at once: a pixel is
inside its class if the window of 2d + 1 by 2d + 1 pixels around it lies in the image and holds one
label.
"""

import math

import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED

# d as a share of the diagonal: the authors' choice for common images, section 5.
RATIO = 0.02
# Pixels of a map that are handled at a time.
_STRIP = 1 << 22


def boundary_distance(height: int, width: int) -> int:
    """Width d of the boundary region in pixels, for an image of this size in pixels."""
    return max(1, round(RATIO * math.hypot(height, width)))


def inner_pixels(maps: Tensor, distance: int) -> Tensor:
    """Find the pixels that are not in the boundary region of their label.

    It takes `O(H W log d)` steps for any number of labels.

    Args:
        maps: uint8 `(..., H, W)` labels, each map by itself.
        distance: d in pixels, at least 1.

    Returns:
        bool `(..., H, W)`, true where no pixel within d steps has another label or is outside the
        image.
    """
    height, width = maps.shape[-2:]
    inner = torch.zeros(maps.shape, dtype=torch.bool, device=maps.device)
    if min(height, width) <= 2 * distance:
        return inner
    rows = max(_STRIP // width, 2 * distance)
    for first in range(distance, height - distance, rows):
        last = min(first + rows, height - distance)
        strip = maps[..., first - distance : last + distance, :]
        inner[..., first:last, distance : width - distance] = _one_label(strip, distance)
    return inner


def boundary_labels(predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Keep the labels of a prediction and of its target only in their boundary regions.

    Ignored pixels have the label `IGNORED` in both maps before the regions are found. So the pixels
    next to them are boundaries, the same in both maps, and they themselves are in no region.

    Args:
        predicted: uint8 `(H, W)` class indices.
        target: uint8 `(H, W)` class indices or `IGNORED`, on the same device.

    Returns:
        Both maps, with `IGNORED` outside the boundary regions of the classes.
    """
    maps = torch.stack([predicted | _all_bits(target == IGNORED), target])
    inner = inner_pixels(maps, boundary_distance(*target.shape))
    maps |= _all_bits(inner)
    return maps[0], maps[1]


def _one_label(maps: Tensor, distance: int) -> Tensor:
    """Whether each window within maps `(..., H, W)` has one label: `(..., H - 2d, W - 2d)`."""
    width, steps = maps.shape[-1], 2 * distance
    across = maps[..., 1:] != maps[..., :-1]
    mixed_row = _any_of(across, steps, -1)
    # Rows of one label each are one label if the column through their middle has no change.
    middle = maps[..., distance : width - distance]
    down = middle[..., 1:, :] != middle[..., :-1, :]
    mixed = _any_of(mixed_row[..., :-1, :] | down, steps, -2)
    return ~(mixed | mixed_row[..., steps:, :])


def _any_of(flags: Tensor, length: int, dim: int) -> Tensor:
    """Whether any of `length` flags in a row is set, for each row of them along an axis."""
    done = 1
    while done < length:
        step = min(done, length - done)
        size = flags.shape[dim] - step
        flags = flags.narrow(dim, 0, size) | flags.narrow(dim, step, size)
        done += step
    return flags


def _all_bits(flags: Tensor) -> Tensor:
    """255 where a flag is set; or-ed to labels, it selects much faster than `where`."""
    return flags.view(torch.uint8).neg_()
