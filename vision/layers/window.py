"""Attention inside windows of a map: partition, padding, shifted-window mask, relative positions."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Added to the score of a pair that must not attend; the published models were trained with this
# value, not with minus infinity.
MASKED = -100.0


class Padding(NamedTuple):
    """Rows and columns of zeros around a map."""

    top: int
    bottom: int
    left: int
    right: int


def padding_to_multiple(
    size: tuple[int, int], window: tuple[int, int], *, centred: bool = False
) -> Padding:
    """Find the padding that makes a map divisible into windows.

    Args:
        size: Height and width of the map.
        window: Height and width of a window.
        centred: Pad both sides evenly, the extra row or column at the bottom or right; otherwise
            pad at the bottom and right alone.
    """
    rows, columns = (_ceil(side, w) - side for side, w in zip(size, window, strict=True))
    top, left = (rows // 2, columns // 2) if centred else (0, 0)
    return Padding(top, rows - top, left, columns - left)


def pad_map(x: Tensor, padding: Padding) -> Tensor:
    """Surround `x` `(B, H, W, C)` with zeros; without padding `x` itself is returned."""
    # A graph with the padding serves all sizes; a branch on it would make one graph per case.
    if torch.compiler.is_compiling() or any(padding):
        top, bottom, left, right = padding
        return F.pad(x, (0, 0, left, right, top, bottom))
    return x


def crop_map(x: Tensor, padding: Padding, size: tuple[int, int]) -> Tensor:
    """Take the map of `size` out of the padded `x` `(B, H, W, C)`."""
    return x.narrow(1, padding.top, size[0]).narrow(2, padding.left, size[1])


def to_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """Cut a map into windows, in row-major order.

    Args:
        x: `(B, H, W, ...)`; H and W are multiples of the window's sides.
        window: Height h and width w of a window.

    Returns:
        `(B * windows, h, w, ...)`; a view where the memory order allows it.
    """
    batch, height, width, *rest = x.shape
    rows, columns = height // window[0], width // window[1]
    x = x.view(batch, rows, window[0], columns, window[1], *rest).transpose(2, 3)
    return x.reshape(batch * rows * columns, *window, *rest)


def from_windows(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Put the windows of `to_windows` together again.

    Args:
        windows: `(B * windows, h, w, ...)`.
        size: Height and width of the map.

    Returns:
        `(B, H, W, ...)`.
    """
    _, height, width, *rest = windows.shape
    rows, columns = size[0] // height, size[1] // width
    x = windows.view(-1, rows, columns, height, width, *rest).transpose(2, 3)
    return x.reshape(-1, *size, *rest)


def shifted_window_mask(
    size: tuple[int, int],
    window: int,
    shift: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Bias that keeps windows of a cyclically shifted map from attending across its seam.

    Each axis of the shifted map has three bands: up to `-window`, up to `-shift`, the rest. Two
    positions attend to each other if they lie in the same band along both axes
    ("Swin Transformer", 2021, Figure 4).

    Args:
        size: Height and width of the map, multiples of the window.
        window: Side of a window.
        shift: Rows and columns by which the map was shifted, in (0, window).
        dtype: Type of the result.
        device: Where to make it.

    Returns:
        `(windows, N, N)` with N = window ** 2: 0 where a pair may attend, -100 elsewhere.
    """
    bands = []
    for side in size:
        position = torch.arange(side, device=device)
        bands.append((position >= side - window).long() + (position >= side - shift).long())
    region = 3 * bands[0][:, None] + bands[1]  # (H, W)
    region = to_windows(region[None], (window, window)).flatten(1)  # (windows, N)
    apart = region[:, :, None] != region[:, None, :]  # (windows, N, N)
    return apart.to(dtype or torch.get_default_dtype()) * MASKED


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
        int64 `(N, N)`, query by key, with N = window ** 2.
    """
    position = torch.arange(window, device=device)
    offset = position[:, None] - position + table_window - 1  # (window, window)
    row = offset[:, None, :, None] * (2 * table_window - 1)  # (y of query, 1, y of key, 1)
    return (row + offset[None, :, None, :]).reshape(window * window, window * window)


def _ceil(side: int, multiple: int) -> int:
    """Round up; written so that the size of a padded map stays simple while compiling."""
    return (side + multiple - 1) // multiple * multiple
