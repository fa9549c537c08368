"""Attention inside windows of a map: padding, partition, shifted-window mask, relative positions.

While compiling for all image sizes, a branch that depends on the size ("is there one window?", "is
this view dense?") makes one graph per outcome. These functions have none: no axis ever holds only
the rows or columns of windows, which may be one, and maps are padded and cropped by an operator
that always copies.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.tracing import is_traced

# Added to the score of a pair that must not attend; the published models were trained with this
# value, not with minus infinity.
MASKED = -100.0


def ceil_div(size: int, divisor: int) -> int:
    """Divide and round up."""
    return (size + divisor - 1) // divisor


def pad_map(x: Tensor, *, top: int = 0, bottom: int = 0, right: int = 0) -> Tensor:
    """Add rows and columns of zeros to a map, or remove some where a number is negative.

    Args:
        x: `(B, H, W, C)`.
        top: Rows before the first.
        bottom: Rows after the last.
        right: Columns after the last.

    Returns:
        `(B, H + top + bottom, W + right, C)`; in eager mode a view where nothing is added.
    """
    if is_traced() or max(top, bottom, right) > 0:
        return F.pad(x, (0, 0, 0, right, top, bottom))
    return x[:, -top : x.shape[1] + bottom, : x.shape[2] + right]


def regroup(x: Tensor, *axes: int) -> Tensor:
    """Split and join all axes of `x` but the last, in memory order.

    Args:
        x: `(..., C)`.
        axes: The new leading axes.

    Returns:
        `(*axes, C)`; a view if `x` is contiguous.
    """
    channels = x.shape[-1]
    # By way of a single axis, so that no old axis is compared with a new one while compiling.
    return x.contiguous().view(math.prod(axes), channels).view(*axes, channels)


def to_windows(x: Tensor, window: int) -> Tensor:
    """Cut a map into square windows.

    Args:
        x: `(B, H, W, C)`, H and W multiples of `window`.
        window: Side of a window.

    Returns:
        `(B * windows, N, C)` with N = window ** 2: windows in row-major order, the positions of a
        window column by column, which takes one transposition instead of a split of both axes.
    """
    batch, height, width, _ = x.shape
    rows, columns = height // window, width // window
    strips = regroup(x, batch * rows, window, width)
    # The second axis becomes (columns, window).
    return regroup(strips.transpose(1, 2), batch * rows * columns, window * window)


def from_windows(windows: Tensor, window: int, size: tuple[int, int]) -> Tensor:
    """Put the windows of `to_windows` together again.

    Args:
        windows: `(B * windows, N, C)`.
        window: Side of a window.
        size: Height and width of the map, multiples of `window`.

    Returns:
        `(B, *size, C)`.
    """
    height, width = size
    rows, columns = height // window, width // window
    batch = windows.shape[0] // (rows * columns)
    strips = regroup(windows, batch * rows, width, window)
    return regroup(strips.transpose(1, 2), batch, height, width)


def shifted_window_masks(
    window: int,
    shift: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Biases that keep windows of a cyclically shifted map from attending across its seam.

    Two positions attend to each other if they lie on the same side of the seam along both axes
    ("Swin Transformer", 2021, Figure 4). The seam runs only through the last row and the last
    column of windows, so that four masks serve a map of any size; `shifted_bias_rows` assigns them.

    Args:
        window: Side of a window.
        shift: Rows and columns by which the map was shifted, in (0, window).
        dtype: Type of the result.
        device: Where to make it.

    Returns:
        `(4, N, N)` with N = window ** 2, positions column by column: 0 where a pair may attend,
        -100 elsewhere.
    """
    beyond = (torch.arange(window, device=device) >= window - shift).long()
    row, column = beyond.repeat(window), beyond.repeat_interleave(window)  # (N,)
    region = torch.stack([torch.zeros_like(row), column, 2 * row, 2 * row + column])  # (4, N)
    apart = region[:, :, None] != region[:, None, :]  # (4, N, N)
    return apart.to(dtype or torch.get_default_dtype()) * MASKED


def shifted_bias_rows(
    grid: tuple[int, int], heads: int, *, device: torch.device | None = None
) -> Tensor:
    """Which of the four `shifted_window_masks` each window of a shifted map has, for every head.

    Args:
        grid: Rows and columns of windows on the map.
        heads: Number of heads.
        device: Where to make it.

    Returns:
        int64 `(rows * columns * heads,)`: `kind * heads + head`, where the kind of a window is 0
        inside, 1 in the last column, 2 in the last row and 3 in both.
    """
    rows, columns = grid
    position = torch.arange(rows * columns * heads, device=device)
    window, head = position // heads, position % heads
    in_last_row = window >= (rows - 1) * columns
    in_last_column = window % columns == columns - 1
    return (2 * in_last_row + in_last_column.long()) * heads + head


def relative_position_index(
    window: int, table_window: int, *, device: torch.device | None = None
) -> Tensor:
    """Row of the bias table for each pair of positions in a window.

    The row of a displacement (dy, dx), query minus key, is
    `(dy + t - 1) * (2 * t - 1) + dx + t - 1` for a table made for windows of side t.

    Args:
        window: Side of the window, at most `table_window`. A smaller one uses the central part of
            the table.
        table_window: Side of the window that the table was made for.
        device: Where to make it.

    Returns:
        int64 `(N, N)`, query by key, with N = window ** 2, positions column by column.
    """
    position = torch.arange(window, device=device)
    offset = position[:, None] - position + table_window - 1  # (window, window)
    # Axes: column and row of the query, column and row of the key.
    index = offset[None, :, None, :] * (2 * table_window - 1) + offset[:, None, :, None]
    return index.reshape(window * window, window * window)
