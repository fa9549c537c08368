"""Attention inside windows of a map: padding, partition, shifted-window mask, relative positions.

Maps have two axes (images) or three (volumes); sizes are tuples with an entry per axis.

While compiling for all image sizes, a branch that depends on the size ("is there one window?", "is
this view dense?") makes one graph per outcome. These functions have none: no axis ever holds only
the rows or columns of windows, which may be one, and maps are padded and cropped by an operator
that always copies. While tracing into ONNX a size is a tensor, which `*=` and `//=` would
overwrite: they are not used.
"""

import math
from collections.abc import Sequence

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


def pad_map(x: Tensor, after: Sequence[int], *, before: Sequence[int] | None = None) -> Tensor:
    """Add cells of zeros to a map, or remove some where a number is negative.

    Args:
        x: `(B, *size, C)`.
        after: Cells after the last along each axis.
        before: Cells before the first along each axis; None adds none.

    Returns:
        `(B, *padded, C)`; in eager mode a view where nothing is added.
    """
    before = [0] * len(after) if before is None else before
    if is_traced() or max(*before, *after) > 0:
        ends = [end for pair in zip(before, after, strict=True) for end in reversed(pair)]
        return F.pad(x, (0, 0, *reversed(ends)))
    kept = [slice(-b, n + a) for n, b, a in zip(x.shape[1:], before, after, strict=False)]
    return x[(slice(None), *kept)]


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


def to_windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """Cut a map into windows.

    Args:
        x: `(B, *size, C)`, sizes multiples of `window`.
        window: Sides of a window.

    Returns:
        `(B * windows, N, C)` with N = prod(window): windows in row-major order, the positions of a
        window with the first axis fastest (in an image column by column), which takes a
        transposition per axis but the last instead of a split of all axes.
    """
    count, *size, _ = x.shape
    inside = 1
    for i, side in enumerate(window[:-1]):
        count = count * (size[i] // side)
        # The axes: side, what remains of the map, positions of the axes before.
        strips = regroup(x, count, side, math.prod(size[i + 1 :]), inside)
        x = strips.transpose(1, 2)
        inside *= side
    return regroup(x, count * (size[-1] // window[-1]), inside * window[-1])


def from_windows(windows: Tensor, window: Sequence[int], size: Sequence[int]) -> Tensor:
    """Put the windows of `to_windows` together again.

    Args:
        windows: `(B * windows, N, C)`.
        window: Sides of a window.
        size: Sides of the map, multiples of `window`.

    Returns:
        `(B, *size, C)`.
    """
    count, inside, _ = windows.shape
    count, inside = count // (size[-1] // window[-1]), inside // window[-1]
    for i in reversed(range(len(window) - 1)):
        side = window[i]
        inside = inside // side
        strips = regroup(windows, count, math.prod(size[i + 1 :]), side, inside)
        windows = strips.transpose(1, 2)
        count = count // (size[i] // side)
    return regroup(windows, count, *size)


def window_positions(window: Sequence[int], *, device: torch.device | None = None) -> Tensor:
    """Coordinates of the positions in a window, in the order of `to_windows`.

    Args:
        window: Sides of a window.
        device: Where to make them.

    Returns:
        int64 `(axes, N)` with N = prod(window).
    """
    rows = []
    for i, side in enumerate(window):
        along = torch.arange(side, device=device).repeat_interleave(math.prod(window[:i]))
        rows.append(along.repeat(math.prod(window[i + 1 :])))
    return torch.stack(rows)


def shifted_window_masks(
    window: Sequence[int],
    shift: Sequence[int],
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Biases that keep windows of a cyclically shifted map from attending across its seam.

    Two positions attend to each other if they lie on the same side of the seam along every axis
    ("Swin Transformer", 2021, Figure 4). The seam runs only through the last window along an axis,
    so that two masks per axis serve a map of any size; `shifted_window_kinds` assigns them.

    Args:
        window: Sides of a window.
        shift: Cells by which the map was shifted along each axis, in [0, window); an axis that was
            not shifted has no seam.
        dtype: Type of the result.
        device: Where to make it.

    Returns:
        `(2 ** axes, N, N)` with N = prod(window), positions in the order of `to_windows`: 0 where a
        pair may attend, -100 elsewhere.
    """
    place = window_positions(window, device=device)  # (axes, N)
    axes = len(window)
    kind = torch.arange(2**axes, device=device)[:, None]  # (kinds, 1)
    # The sides that count in a window of a kind: those of the axes along which it is the last.
    beyond = torch.zeros_like(place[0])
    for along, side, cells in zip(place, window, shift, strict=True):
        beyond = 2 * beyond + (along >= side - cells).long()
    region = beyond & kind  # (kinds, N)
    apart = region[:, :, None] != region[:, None, :]  # (kinds, N, N)
    return apart.to(dtype or torch.get_default_dtype()) * MASKED


def shifted_window_kinds(
    grid: Sequence[int],
    *,
    repeats: int = 1,
    shifted: Sequence[bool] | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Which of the `shifted_window_masks` each window of a shifted map has.

    Args:
        grid: Windows along each axis of the map.
        repeats: How often each window is listed, in turn.
        shifted: Whether the map was shifted along each axis; None stands for all of them.
        device: Where to make it.

    Returns:
        int64 `(windows * repeats,)`. An axis along which a window is the last one counts 1 if it
        is the last axis, 2 if it is the one before, and so on: in an image 0 stands for windows
        inside, 1 for the last column, 2 for the last row and 3 for both.
    """
    window = torch.arange(math.prod(grid) * repeats, device=device) // repeats
    kinds = torch.zeros_like(window)
    for i, count in enumerate(grid):
        if shifted is None or shifted[i]:
            place = window // math.prod(grid[i + 1 :]) % count
            kinds = 2 * kinds + (place == count - 1).long()
        else:
            kinds = 2 * kinds
    return kinds


def shifted_bias_rows(
    grid: Sequence[int], heads: int, *, device: torch.device | None = None
) -> Tensor:
    """Which of the masks of `shifted_window_masks` each window has, for every head.

    Args:
        grid: Windows along each axis of the map.
        heads: Number of heads.
        device: Where to make it.

    Returns:
        int64 `(windows * heads,)`: `kind * heads + head`, the kind as in `shifted_window_kinds`.
    """
    kinds = shifted_window_kinds(grid, repeats=heads, device=device)
    # Not `len(kinds)`, which tracing into ONNX turns into a constant.
    return kinds * heads + torch.arange(math.prod(grid) * heads, device=device) % heads


def relative_position_index(
    window: Sequence[int],
    table_window: Sequence[int],
    *,
    ranked: bool = False,
    device: torch.device | None = None,
) -> Tensor:
    """Row of the bias table for each pair of positions in a window.

    The row of a displacement, query minus key, in an image (dy, dx), is
    `(dy + t - 1) * (2 * t - 1) + dx + t - 1` for a table made for windows of side t.

    Args:
        window: Sides of the window, at most `table_window`.
        table_window: Sides of the window that the table was made for.
        ranked: How a smaller window uses the table: by its displacements, and so the central part,
            or if True as MONAI: its positions, counted in row-major order, stand for the first ones
            of a whole window.
        device: Where to make it.

    Returns:
        int64 `(N, N)`, query by key, with N = prod(window), positions in the order of `to_windows`.
    """
    place = window_positions(window, device=device)  # (axes, N)
    if ranked:
        rank = torch.zeros_like(place[0])
        for along, side in zip(place, window, strict=True):
            rank = rank * side + along
        strides = [math.prod(table_window[i + 1 :]) for i in range(len(table_window))]
        whole = zip(strides, table_window, strict=True)
        place = torch.stack([rank // stride % side for stride, side in whole])
    index = torch.zeros_like(place[0][:, None])
    for along, side in zip(place, table_window, strict=True):
        index = index * (2 * side - 1) + along[:, None] - along + side - 1
    return index
