"""Buffers that published Swin checkpoints hold although they follow from sizes."""

import torch
from torch import Tensor

# The authors' bias for pairs of positions that were not neighbours.
_APART = -100.0


def relative_positions(window: int) -> Tensor:
    """Row of Swin's bias table for each pair of positions of a window, in row-major order.

    Args:
        window: Side of the window.

    Returns:
        int64 `(N, N)`: for a query (rows) and a key (columns) that lie dy, dx apart,
        `(dy + window - 1) * (2 * window - 1) + dx + window - 1`.
    """
    steps = torch.arange(window)
    rows, columns = steps.repeat_interleave(window), steps.repeat(window)  # (N,)
    dy, dx = rows[:, None] - rows, columns[:, None] - columns  # (N, N)
    return (dy + window - 1) * (2 * window - 1) + dx + window - 1


def swin_attention_mask(size: tuple[int, ...], window: int, shift: int) -> Tensor:
    """The mask of a shifted map, as the authors of Swin keep it (figure 4 of the paper).

    Args:
        size: Height and width of the map, multiples of `window`.
        window: Side of a window.
        shift: Rows and columns that the map is shifted by.

    Returns:
        `(windows, N, N)`: 0 for positions that were neighbours before the shift, else -100.
    """
    height, width = size
    bands = [_bands(side, window, shift) for side in (height, width)]
    regions = bands[0][:, None] * 3 + bands[1]  # (H, W)
    windows = regions.unfold(0, window, window).unfold(1, window, window)
    windows = windows.reshape(-1, window * window)  # (windows, N)
    apart = windows[:, None] != windows[:, :, None]
    return torch.where(apart, _APART, 0.0)


def _bands(side: int, window: int, shift: int) -> Tensor:
    """Which of three bands each row is in: before the last window, its first part, its last."""
    position = torch.arange(side)
    return (position >= side - window).long() + (position >= side - shift).long()
