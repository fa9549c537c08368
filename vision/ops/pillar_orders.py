"""Orders in which pillars are cut into groups of equal size, window by window.

"FlatFormer: Flattened Window Attention for Efficient Point Cloud Transformer", Liu et al., 2023,
https://arxiv.org/abs/2301.08739, section 3.2; code: mit-han-lab/flatformer (Apache-2.0). Its keys
mix samples where the grid is not much larger than a window; here samples never mix.

Letters: N pillars, B samples, S groups of all samples, G places of one group.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from vision.ops.tracing import is_traced


class Groups(NamedTuple):
    """Which sorted pillars stand in the places of the groups.

    Attributes:
        rank_of: int64 `(S, G)` rank in the sorted list of the pillar that stands in each place.
        place_of: int64 `(N,)` the place, of all S * G, of each pillar of the sorted list; the
            others are filled up.
        seen: bool `(S, G)` whether a place may be attended to; None if all may.
    """

    rank_of: Tensor
    place_of: Tensor
    seen: Tensor | None


def window_order(
    coords: Tensor, window: tuple[int, int], *, axis: str, shifted: bool = False
) -> Tensor:
    """Sort pillars by sample, and in a sample along a path that visits one window after another.

    Windows are visited row by row, in turns forward and backward, and columns in a window likewise,
    so that neighbours in the list are near each other.

    Args:
        coords: int64 `(N, 4)` sample, z, y, x, 0 or more; z is not looked at.
        window: Cells of a window along x and y.
        axis: `"x"`: rows of windows lie along x; `"y"`: along y.
        shifted: Whether the windows are moved by half of one along both axes.

    Returns:
        int64 `(N,)`: the pillars in that order.
    """
    (along, wide), (across, high) = (coords[:, 3], window[0]), (coords[:, 2], window[1])
    if axis == "y":
        (along, wide), (across, high) = (across, high), (along, wide)
    if shifted:
        along, across = along + wide // 2, across + high // 2
    row, column = across // high, along // wide
    in_column, in_row = along % wide, across % high
    # Rows of windows and columns of cells are walked forward and backward in turns.
    row_sign, column_sign = 1 - 2 * (row % 2), 1 - 2 * (in_column % 2)
    inner = row_sign * (in_column * (2 * high) + column_sign * in_row)
    outer = row_sign * column
    # A digit d with |d| < R keeps the order of what stands before it in a number of base 2 R.
    key = coords[:, 0] * (row.amax(0) + 1) + row
    key = key * (2 * (column.amax(0) + 1)) + outer
    key = key * (4 * wide * high) + inner
    return key.sort().indices


def cut_groups(counts: Tensor, total: int, size: int, *, copies: bool) -> Groups:
    """Cut the sorted pillars of each sample into groups; the last one of a sample is filled up.

    Args:
        counts: int64 `(B,)` pillars of each sample.
        total: Their sum N.
        size: Places G of a group.
        copies: Whether the last group of a sample is filled with the pillars at the same places of
            the group before, which are attended to as well, as published; else it is shorter. A
            sample with fewer pillars than `size` has one shorter group in any case.
    """
    device = counts.device
    padded = (counts + size - 1) // size * size
    ends, padded_ends = counts.cumsum(0), padded.cumsum(0)
    starts, padded_starts = ends - counts, padded_ends - padded
    # Without `int`, which would make a constant of it in an exported program.
    groups = (padded_ends[-1] // size).item()
    first = size * torch.arange(groups, device=device)
    place = first[:, None] + torch.arange(size, device=device)  # (S, G)
    sample = _owners(place, padded_ends)
    offset, count = place - padded_starts[sample], counts[sample]
    filled = offset >= count
    if copies:
        repeated = filled & (count >= size)
        filled = filled & ~repeated
        offset = torch.where(repeated, offset - size, offset)
    # Of a place that is not filled the pillar does not matter.
    offset = torch.where(filled, 0, offset)
    rank_of = starts[sample] + offset
    rank = torch.arange(total, device=device)
    owner = _owners(rank, ends)
    place_of = rank - starts[owner] + padded_starts[owner]
    hidden = is_traced() or bool(filled.any())
    return Groups(rank_of, place_of, ~filled if hidden else None)


def _owners(places: Tensor, ends: Tensor) -> Tensor:
    """Of which sample places `(...)` of the batch are, where each of the samples `(B,)` ends."""
    return (places[..., None] >= ends).sum(-1)
