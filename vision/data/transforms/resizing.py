"""Resizing of a part of an image: cut out, filtered, taken apart into planes and flipped."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def resize_planes(
    part: Tensor,
    size: tuple[int, int],
    *,
    interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    antialias: bool = True,
    flip: bool = False,
    recolor: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Resize an image, or a part of one, change its colours, and flip it.

    The pixels are those of `torch.nn.functional.interpolate`, which is fastest on interleaved ones,
    as decoders give them. What follows wants planes.

    Args:
        part: uint8 `(3, h, w)`; fastest with interleaved channels, and may be a view.
        size: Height and width of the result in pixels.
        interpolation: The filter.
        antialias: Whether the filter widens where it scales down.
        flip: Whether the result is flipped horizontally.
        recolor: Changes the resized pixels, uint8 `(3, *size)`, while they are still interleaved;
            None for no change.

    Returns:
        uint8 `(3, *size)`, contiguous; not `part` itself.
    """
    if tuple(part.shape[1:]) == tuple(size):
        resized = part
    else:
        # PyTorch chooses its kernel by the strides. NumPy copies whole rows at once.
        rows = np.ascontiguousarray(part.permute(1, 2, 0).numpy())
        batch = torch.from_numpy(rows)[None].permute(0, 3, 1, 2)  # channels last
        resized = F.interpolate(batch, size=size, mode=interpolation, antialias=antialias)[0]
    if recolor is not None:
        resized = recolor(resized)
    # NumPy is faster than PyTorch at taking channels apart, and flips them on the way.
    pixels = resized.numpy()
    return torch.from_numpy((pixels[:, :, ::-1] if flip else pixels).copy())
