"""Filters in the spectrum of a map."""

from torch import Tensor
from torch.nn import functional as F


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
