"""Windows of voxels: which voxels attend to each other, and where each is in its window.

Letters: N voxels, W windows of a part, n places of a window in a part, D axes of an encoding, R
rows of its tables.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vision.ops.voxels import Cells, first_rows, group_cells

# What a part of the windows computes at a time: heads times rows of tables of each voxel, and times
# pairs. It stays in the caches of a CPU.
NUMBERS = 2**21
# Places of a part over those that its voxels need, at most.
_PADDING = 1.25


class WindowPart(NamedTuple):
    """Windows of nearly equal size, padded to the largest of them.

    Attributes:
        start: The first of their voxels, in the order of windows.
        stop: The voxel after the last.
        slots: int64 `(W, n)` their voxels, counted from `start`; a padded place has any of them.
        filled: bool `(W, n)`, which places hold a voxel; None if all do.
        rows: int16 or int32 `(W * n * n, D)` row of the tables for each pair, the second place the
            faster, and each axis.
    """

    start: int
    stop: int
    slots: Tensor
    filled: Tensor | None
    rows: Tensor


class EncodedWindows(NamedTuple):
    """All windows of a set of voxels, the small ones first.

    Attributes:
        order: int64 `(N,)` voxels window by window.
        place: int64 `(N,)` where each voxel is in `order`.
        parts: The windows, a part at a time.
    """

    order: Tensor
    place: Tensor
    parts: list[WindowPart]


def group_windows(cells: Tensor, window: int, shift: int) -> Cells:
    """Group voxels by window.

    Args:
        cells: int64 `(N, 4)` sample, x, y, z, counted in voxels of their own size.
        window: Side of a window in these voxels.
        shift: What is added to x, y and z before.
    """
    places = torch.div(cells[:, 1:] + shift, window, rounding_mode="floor")
    return group_cells(torch.cat([cells[:, :1], places], dim=1))


def encode_windows(
    groups: Cells,
    positions: Tensor,
    lengths: Sequence[int],
    *,
    heads: int,
    numbers: int = NUMBERS,
) -> EncodedWindows:
    """Look up the rows of the tables for all pairs of voxels that share a window.

    The difference of two positions, query minus key, has the row `floor(difference + length / 2)`
    of its axis's table, and the nearest one if that lies outside.

    Args:
        groups: The windows of the voxels.
        positions: float `(N, D)`.
        lengths: Rows of each axis's table, even; the tables follow one another.
        heads: Heads of the attention, which decide the size of parts.
        numbers: What a part computes at a time.
    """
    starts = first_rows(groups.counts)
    sizes, by_size = torch.sort(groups.counts, stable=True)
    # The place of each voxel: the windows by size, and the voxels of each as they were.
    ends = sizes.cumsum(0)
    shift = starts[by_size] - (ends - sizes)
    order = groups.order[torch.arange(len(positions), device=ends.device) + _spread(shift, sizes)]
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=ends.device))
    positions = positions[order]
    parts = []
    rows = sum(lengths)
    for first, last, start, stop in _ranges(sizes.tolist(), rows, numbers // heads):
        begins = ends[first:last] - sizes[first:last] - start  # (W,)
        most = int(sizes[last - 1])
        within = torch.arange(most, device=order.device)
        full = last - first == 1 or int(sizes[first]) == most
        slots = begins[:, None] + torch.minimum(within, sizes[first:last, None] - 1)
        filled = None if full else within < sizes[first:last, None]
        found = _table_rows(positions[start:stop][slots], lengths)
        parts.append(WindowPart(start, stop, slots, filled, found))
    return EncodedWindows(order, place, parts)


def _spread(values: Tensor, counts: Tensor) -> Tensor:
    return values.repeat_interleave(counts)


def _ranges(sizes: Sequence[int], rows: int, numbers: int) -> Iterator[tuple[int, int, int, int]]:
    """Ranges of windows sorted by size, and of their voxels."""
    first = start = 0
    while first < len(sizes):
        last, stop = first, start
        while last < len(sizes):
            size, windows = sizes[last], last + 1 - first
            voxels = stop + size - start
            padded = windows * size
            if last > first and (
                padded > _PADDING * voxels or voxels * 2 * rows + padded * size > numbers
            ):
                break
            last, stop = last + 1, stop + size
        yield first, last, start, stop
        first, start = last, stop


def _table_rows(positions: Tensor, lengths: Sequence[int]) -> Tensor:
    """Rows of all pairs of places `(W, n, D)`, as in `WindowPart`."""
    sides = positions.new_tensor(lengths)
    differences = positions[:, :, None] - positions[:, None]  # (W, n, n, D)
    rows = differences.add_(sides / 2).floor_().clamp_(min=0)
    firsts = sides.cumsum(0) - sides
    rows = torch.minimum(rows, sides - 1).add_(firsts)
    small = torch.int16 if sum(lengths) < 2**15 else torch.int32
    return rows.flatten(0, 2).to(small)
