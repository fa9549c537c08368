"""Anchors: boxes of fixed shapes at every cell of a feature pyramid."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.options import check_number


def anchors(
    shapes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    *,
    scales: Sequence[float],
    aspect_ratios: Sequence[float],
    device: torch.device | str | None = None,
) -> list[Tensor]:
    """Anchors of each map of a pyramid.

    "Faster R-CNN", Ren et al., 2015, section 3.1.1. An anchor of ratio r and scale s is
    `stride * s / sqrt(r)` wide and `stride * s * sqrt(r)` high, and centred on the top left corner
    of its cell; nothing is rounded.

    Args:
        shapes: Height h and width w of each map in cells.
        strides: Pixels per cell of each map.
        scales: Sides of a square anchor, in strides.
        aspect_ratios: Heights over widths.
        device: Device of the anchors.

    Returns:
        For each map, float32 `(h * w * A, 4)`, `A = len(aspect_ratios) * len(scales)`, in pixels
        of the image; row by row, cell by cell, all scales of the first ratio, then of the next.
    """
    levels = []
    for (height, width), stride in zip(shapes, strides, strict=True):
        base = _base_anchors(stride, scales, aspect_ratios).to(device, non_blocking=True)  # (A, 4)
        x = torch.arange(width, device=device, dtype=torch.float32) * stride
        y = torch.arange(height, device=device, dtype=torch.float32) * stride
        y, x = torch.meshgrid(y, x, indexing="ij")
        shift = torch.stack([x, y, x, y], dim=-1)  # (h, w, 4)
        levels.append((shift[:, :, None] + base).reshape(-1, 4))
    return levels


def check_shapes(scales: Sequence[float], aspect_ratios: Sequence[float]) -> None:
    """Check that every cell has anchors of positive size.

    Args:
        scales: Sides of square anchors, in strides.
        aspect_ratios: Heights over widths.

    Raises:
        ConfigError: There are none, or a number is out of its range.
    """
    for name, values in (("scales", scales), ("aspect_ratios", aspect_ratios)):
        if not values:
            raise ConfigError(f"{name}=[] must have one number at least, such as 1.0.")
        for value in values:
            check_number(f"{name} of anchors: {value}", value, minimum=1e-3, maximum=1e3)


def _base_anchors(stride: int, scales: Sequence[float], aspect_ratios: Sequence[float]) -> Tensor:
    root = torch.tensor(aspect_ratios, dtype=torch.float32).sqrt()[:, None]  # (ratios, 1)
    side = torch.tensor(scales, dtype=torch.float32)[None]  # (1, scales)
    half_width = (stride * (1 / root) * side).flatten() / 2
    half_height = (stride * root * side).flatten() / 2
    return torch.stack([-half_width, -half_height, half_width, half_height], dim=-1)
