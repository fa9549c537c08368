"""Cells of points: which cell a point lies in, the points of each cell, and values per cell.

Letters: P points, N rows of cell indices, D axes (often sample, x, y, z), V cells that hold any
row, C channels. Nothing here depends on the order of the rows of a cell but `"first"`, and all
results are the same from run to run, on every device.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.host_values import values_like
from vision.ops.tracing import is_traced

Reduction = Literal["mean", "max", "first"]
# Keys are int64.
MAX_KEYS = 2**63 - 1


class Bounds(NamedTuple):
    """The least and the greatest index along each axis, both included.

    Attributes:
        low: One number per axis.
        high: Likewise.
    """

    low: list[int]
    high: list[int]


class Cells(NamedTuple):
    """The cells that hold rows, sorted by their indices, first axis first.

    Attributes:
        coords: int64 `(V, D)` indices of each cell.
        cell_of: int64 `(N,)` cell of each row.
        counts: int64 `(V,)` rows of each cell, at least 1.
        order: int64 `(N,)` the rows cell by cell; those of one cell in the order they came.
    """

    coords: Tensor
    cell_of: Tensor
    counts: Tensor
    order: Tensor


def voxel_coords(points: Tensor, size: float | Sequence[float], low: Sequence[float]) -> Tensor:
    """The voxel of each point.

    Args:
        points: float `(P, D)`.
        size: Side of a voxel, or one per axis, in the unit of the points.
        low: Corner of voxel 0 along each axis.

    Returns:
        int64 `(P, D)`: `floor((points - low) / size)`. Points below `low` have negative indices.

    Raises:
        ConfigError: A size is not a positive number.
    """
    sides = [size] * points.shape[1] if isinstance(size, int | float) else list(size)
    if not all(0 < side < math.inf for side in sides):
        raise ConfigError(f"a voxel of size {size} must have positive sides.")
    corner, scale = values_like(points, low), values_like(points, sides)
    return ((points - corner) / scale).floor().long()


def sample_of(counts: Tensor) -> Tensor:
    """The sample of each row of a packed batch.

    Args:
        counts: int64 `(B,)` rows of each sample.

    Returns:
        int64 `(N,)` in 0..B-1, rising.
    """
    samples = torch.arange(len(counts), device=counts.device)
    return samples.repeat_interleave(counts)


def bounds_of(coords: Tensor) -> Bounds:
    """The bounds of indices `(N, D)`; 0 and 0 without rows."""
    if not len(coords):
        return Bounds([0] * coords.shape[1], [0] * coords.shape[1])
    low, high = torch.stack([coords.amin(0), coords.amax(0)]).tolist()
    return Bounds(low, high)


def key_steps(bounds: Bounds) -> list[int]:
    """By how much a key grows with one more along each axis.

    Raises:
        ConfigError: There are more cells within the bounds than int64 numbers.
    """
    sides = [high - low + 1 for low, high in zip(bounds.low, bounds.high, strict=True)]
    if math.prod(sides) > MAX_KEYS:
        raise ConfigError(
            f"a grid of {' x '.join(map(str, sides))} cells has more than the {MAX_KEYS} that can "
            "be numbered.\nPoints lie too far apart for the size of a cell: look for outliers and "
            "for coordinates in another unit."
        )
    return [math.prod(sides[i + 1 :]) for i in range(len(sides))]


def cell_keys(coords: Tensor, bounds: Bounds | None = None) -> Tensor:
    """Number cells such that sorting by number sorts by the first axis, then the second, ...

    Args:
        coords: int64 `(N, D)`.
        bounds: What all indices lie within; None for the bounds of `coords`. Keys of two sets are
            comparable if they were made with the same.

    Returns:
        int64 `(N,)`, 0 or more; equal for equal rows and for no others.

    Raises:
        ConfigError: The numbers do not fit int64.
    """
    bounds = bounds or bounds_of(coords)
    steps = values_like(coords, key_steps(bounds))
    return ((coords - values_like(coords, bounds.low)) * steps).sum(-1)


def group_cells(coords: Tensor, bounds: Bounds | None = None) -> Cells:
    """Group rows with equal indices.

    Args:
        coords: int64 `(N, D)`.
        bounds: What all indices lie within; None for the bounds of `coords`, which an exported
            program cannot have.

    Returns:
        The cells, sorted.

    Raises:
        ConfigError: The cells within the bounds of `coords` cannot be numbered in int64.
    """
    keys, order = torch.sort(cell_keys(coords, bounds), stable=True)
    _, place, counts = torch.unique_consecutive(keys, return_inverse=True, return_counts=True)
    cell_of = torch.empty_like(place).scatter_(0, order, place)
    return Cells(coords[order[first_rows(counts)]], cell_of, counts, order)


def first_rows(counts: Tensor) -> Tensor:
    """Place of the first row of each group in a list of rows group by group, int64 `(V,)`."""
    return counts.cumsum(0) - counts


def reduce_cells(values: Tensor, cells: Cells, how: Reduction) -> Tensor:
    """Reduce the values of each cell's rows to one; differentiable.

    Args:
        values: `(N, C)`, a row for each that was grouped.
        cells: The groups.
        how: `"mean"`, `"max"`, or `"first"`: the values of the row that came first. Only the last
            accepts integers.

    Returns:
        `(V, C)`. The gradient of a maximum is shared by the rows that reach it.
    """
    if how == "first":
        return values[cells.order[first_rows(cells.counts)]]
    if is_traced():  # programs have no reduction of segments
        rows = cells.cell_of[:, None].expand(-1, values.shape[1])
        empty = values.new_zeros(cells.coords.shape[0], values.shape[1])
        name = "amax" if how == "max" else how
        return empty.scatter_reduce(0, rows, values, name, include_self=False)
    if not len(values):
        return values
    return torch.segment_reduce(values[cells.order], how, lengths=cells.counts, axis=0)
