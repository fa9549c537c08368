"""Boxes as shares of the valid image: (center x, center y, width, height) in [0, 1].

Queries predict them in this form. Everything is computed in float32 at least.
"""

import torch
from torch import Tensor

from vision.ops.boxes import at_least_float32


def boxes_to_shares(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Divide boxes by the sides of their images.

    Args:
        boxes: `(B, N, 4)`, (x1, y1, x2, y2) in pixels.
        sizes: `(B, 2)` valid height and width of each image in pixels.

    Returns:
        `(B, N, 4)`, (center x, center y, width, height) as shares.
    """
    return corners_to_shares(at_least_float32(boxes) / _sides(boxes, sizes))


def shares_to_boxes(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Multiply boxes by the sides of their images; the inverse of `boxes_to_shares`.

    Args:
        boxes: `(B, N, 4)`, (center x, center y, width, height) as shares.
        sizes: `(B, 2)` valid height and width of each image in pixels.

    Returns:
        `(B, N, 4)`, (x1, y1, x2, y2) in pixels.
    """
    return shares_to_corners(boxes) * _sides(boxes, sizes)


def corners_to_shares(corners: Tensor) -> Tensor:
    """Boxes `(..., 4)` of (x1, y1, x2, y2) as (center x, center y, width, height)."""
    low, high = at_least_float32(corners).chunk(2, dim=-1)
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def shares_to_corners(boxes: Tensor) -> Tensor:
    """Boxes `(..., 4)` of (center x, center y, width, height) as (x1, y1, x2, y2)."""
    center, size = at_least_float32(boxes).chunk(2, dim=-1)
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def _sides(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Width, height, width, height `(B, 1, 4)` of the images."""
    dtype = torch.promote_types(boxes.dtype, torch.float32)
    return sizes.flip(1).repeat(1, 2).to(boxes.device, dtype)[:, None]
