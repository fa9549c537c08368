"""Filters in the spectrum of a map."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.layers.attention import is_exporting
from vision.layers.lean import call_lean, given


def resize_filter(grid: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a spectral filter bilinearly with aligned corners, both parts alike.

    Args:
        grid: `(C, h, w, 2)`.
        size: Wanted height and width.

    Returns:
        `(C, *size, 2)`.
    """
    parts = grid.permute(3, 0, 1, 2)  # (2, C, h, w)
    parts = F.interpolate(parts, size=size, mode="bilinear", align_corners=True)
    return parts.permute(1, 2, 3, 0)


def filter_spectrum(
    x: Tensor, grid: Tensor, *, again: Callable[[], Tensor] | None = None
) -> Tensor:
    """Multiply the spectrum of a map by a filter.

    ONNX has no transforms of two axes, and its runtimes have none of sizes unknown in advance: an
    export gets products with matrices of sines and cosines.

    Args:
        x: float32 or float64 `(B, C, H, W)`.
        grid: Real and imaginary parts `(C, H, W // 2 + 1, 2)`.
        again: Makes `x` again; then the spectrum is not kept for the backward pass (see
            `vision.layers.lean.call_lean`).

    Returns:
        `(B, C, H, W)`.
    """
    if is_exporting():
        return _filter_by_matrices(x, grid.to(x.dtype))
    size = (x.shape[2], x.shape[3])

    def transform(x: Tensor) -> Tensor:
        return torch.fft.rfft2(x, norm="ortho")

    def multiply(spectrum: Tensor) -> Tensor:
        product = spectrum * torch.view_as_complex(grid.contiguous())
        return torch.fft.irfft2(product, s=size, norm="ortho")

    if again is None:
        return multiply(transform(x))
    return call_lean(multiply, given(transform(x), lambda: transform(again())), cast=False)


def _filter_by_matrices(x: Tensor, grid: Tensor) -> Tensor:
    height, width = x.shape[2], x.shape[3]
    kept = width // 2 + 1
    cos_h, sin_h = _waves(height, height, like=x)  # (H, H)
    cos_w, sin_w = _waves(width, kept, like=x)  # (W, W // 2 + 1)
    # The transform of each row, exp(-i angle), then of each column.
    real, imaginary = x @ cos_w, -(x @ sin_w)
    real, imaginary = (
        cos_h @ real + sin_h @ imaginary,
        cos_h @ imaginary - sin_h @ real,
    )
    filter_real, filter_imaginary = grid[..., 0], grid[..., 1]
    real, imaginary = (
        real * filter_real - imaginary * filter_imaginary,
        real * filter_imaginary + imaginary * filter_real,
    )
    real, imaginary = (
        cos_h @ real - sin_h @ imaginary,
        cos_h @ imaginary + sin_h @ real,
    )
    # What was left out is the mirror image of all but the first and, if W is even, the last.
    place = torch.arange(kept, device=x.device)
    once = (place == 0) | (2 * place == width)
    weight = (2 - once.to(x.dtype)) / (height * width)
    return (real * weight) @ cos_w.T - (imaginary * weight) @ sin_w.T


def _waves(length: int, count: int, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines `(length, count)` of a turn for each place and frequency."""
    place = torch.arange(length, device=like.device)[:, None]
    frequency = torch.arange(count, device=like.device)
    # Whole turns are left out in whole numbers, which keeps the precision of large angles.
    angle = (place * frequency % length).to(like.dtype) * (2 * math.pi / length)
    return angle.cos(), angle.sin()
