"""Values of a large image from tiles that overlap, with weights that fall to their borders."""

from collections.abc import Callable

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.windows import window_starts
from vision.options import check_number


def blend_tiles(
    model: Callable[[Tensor], Tensor], images: Tensor, *, tile: tuple[int, int], overlap: float
) -> Tensor:
    """Run a model on tiles of images, and average what overlaps.

    Along each axis the weight of a tile grows linearly across the overlap, so that values pass
    smoothly from one tile to the next. A tile at an end is moved back inside, and overlaps more. A
    model that looks at the whole of its input sees another scene in each tile: its values may
    differ by more than the overlap can hide.

    Args:
        model: Takes float `(B, C, h, w)` of at most the size of a tile, and returns values
            `(B, C', h, w)`.
        images: float `(B, C, H, W)`.
        tile: Height and width of a tile in pixels; images that are smaller along an axis are taken
            whole along it.
        overlap: Share of a tile that the next one covers too, from 0 up to but not 1.

    Returns:
        float32 at least, `(B, C', H, W)`.

    Raises:
        ConfigError: A side of the tile or the overlap is out of its range.
    """
    check_number("overlap", overlap, minimum=0, below=1)
    if len(tile) != 2 or min(tile) < 1:
        raise ConfigError(f"tile={tile!r} must be a height and a width of 1 pixel or more.")
    dtype = torch.promote_types(images.dtype, torch.float32)
    spans = [
        _spans(side, length, overlap, dtype)
        for side, length in zip(images.shape[2:], tile, strict=True)
    ]
    total: Tensor | None = None
    weights = images.new_zeros(images.shape[2:], dtype=dtype)
    for top, bottom, down in spans[0]:
        for left, right, across in spans[1]:
            values = model(images[:, :, top:bottom, left:right])
            if total is None:
                shape = (*values.shape[:2], *images.shape[2:])
                total = values.new_zeros(shape, dtype=dtype)
            weight = (down[:, None] * across).to(weights)
            total[:, :, top:bottom, left:right] += weight * values
            weights[top:bottom, left:right] += weight
    assert total is not None, "at least one tile"
    return total / weights


def _spans(
    side: int, length: int, overlap: float, dtype: torch.dtype
) -> list[tuple[int, int, Tensor]]:
    """Start, end and weights of each tile along an axis."""
    length = min(length, side)
    common = min(int(length * overlap), length - 1)
    ramp = torch.arange(1, length + 1, dtype=dtype) / (common + 1)
    weights = torch.minimum(ramp, ramp.flip(0)).clamp(max=1)
    return [
        (start, start + length, weights) for start in window_starts(side, length, length - common)
    ]
