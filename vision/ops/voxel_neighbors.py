"""Neighbours of voxels and of points: by the offset of their cells, or the nearest k.

Letters: V cells, D axes, K offsets or neighbours, Q queries, P points, B samples. Samples of a
packed batch never mix.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.voxels import Bounds, bounds_of, cell_keys, key_steps, sample_of

# Entry of a table where there is no neighbour.
NONE = -1
# Pairs of a query and a point that `nearest` looks at together: about 24 bytes each.
PAIRS = 2**20
# Points of an average cell, as a share of k: on a surface the 3 x 3 x 3 cells around a query then
# hold the nearest k most of the time, and few others.
_POINTS_PER_CELL = 0.4


def neighbor_table(coords: Tensor, offsets: Tensor) -> Tensor:
    """Find the cell at each offset from each cell.

    Args:
        coords: int64 `(V, D)`, no two rows equal.
        offsets: int64 `(K, D)`; 0 along the axis of the sample.

    Returns:
        int64 `(V, K)`: the row of `coords` that equals `coords[v] + offsets[k]`, -1 for none.

    Raises:
        ConfigError: The cells cannot be numbered in int64.
    """
    if not len(coords):
        return coords.new_empty((0, len(offsets)))
    own, reach = bounds_of(coords), bounds_of(offsets)
    low = [a + min(b, 0) for a, b in zip(own.low, reach.low, strict=True)]
    high = [a + max(b, 0) for a, b in zip(own.high, reach.high, strict=True)]
    bounds = Bounds(low, high)
    keys, order = torch.sort(cell_keys(coords, bounds))
    # The offset of a key is the same everywhere within the bounds.
    steps = (offsets * offsets.new_tensor(key_steps(bounds))).sum(-1)
    wanted = keys + steps[:, None]  # (K, V), each row sorted
    place = torch.searchsorted(keys, wanted).clamp_(max=len(keys) - 1)
    found = torch.where(keys[place] == wanted, order[place], NONE)
    return torch.empty_like(found.T).index_copy_(0, order, found.T)


class Nearest(NamedTuple):
    """The points nearest to each query, nearest first.

    Attributes:
        indices: int64 `(Q, k)` row of the packed points; -1 where a sample has fewer than k.
        distances: `(Q, k)` squared distances; infinite there.
    """

    indices: Tensor
    distances: Tensor


@torch.no_grad()
def nearest(
    queries: Tensor,
    query_counts: Tensor,
    points: Tensor,
    point_counts: Tensor,
    k: int,
    *,
    pairs: int = PAIRS,
) -> Nearest:
    """Find the k points nearest to each query among those of its sample.

    Points are sorted into a grid, a query looks at the 27 cells around it, and those whose k
    nearest may lie outside them look again with cells twice as large. Of equally far points the
    first row is nearer. Distances have no gradient.

    Args:
        queries: float `(Q, 3)`, packed sample by sample.
        query_counts: int64 `(B,)` queries of each sample.
        points: float `(P, 3)` of the same type, packed likewise.
        point_counts: int64 `(B,)` points of each sample; may be 0.
        k: Number of neighbours, at least 1.
        pairs: Pairs of a query and a point that are in memory at a time; at least the points of
            one query's 27 cells are.

    Raises:
        ConfigError: Counts do not fit the rows, or `k` is below 1.
    """
    _check_counts("queries", queries, query_counts)
    _check_counts("points", points, point_counts)
    if k < 1:
        raise ConfigError(f"k={k} must be at least 1.")
    indices = torch.full((len(queries), k), NONE, device=queries.device)
    distances = queries.new_full((len(queries), k), torch.inf)
    totals = point_counts[sample_of(query_counts)]
    left = torch.nonzero(totals)[:, 0]
    side = _cell_side(points, point_counts, k) if len(left) else 1.0
    while len(left):
        grid = _Grid(points, point_counts, queries, query_counts, side)
        open_rows = []
        for rows, candidates in grid.candidates(left, pairs):
            found, squared = _best(queries[rows], points, candidates, k)
            indices[rows, : found.shape[1]] = found
            distances[rows, : found.shape[1]] = squared
            whole = (candidates >= 0).sum(1) == totals[rows]
            sure = distances[rows, -1] < grid.margin(rows) ** 2
            open_rows.append(rows[~(whole | sure)])
        left = torch.cat(open_rows)
        side = side * 2
    return Nearest(indices, distances)


class _Grid:
    """Points sorted into cubes; the rows of the cubes around a query.

    Cubes that differ only in z follow one another, so that three of them are one range.
    """

    def __init__(
        self, points: Tensor, counts: Tensor, queries: Tensor, query_counts: Tensor, side: float
    ) -> None:
        # In float64, in which the places of float32 coordinates are as good as exact.
        points, queries = points.double(), queries.double()
        low = torch.minimum(points.amin(0), queries.amin(0))
        self.side, self.places = side, (queries - low) / side
        cells = _with_sample((points - low) / side, counts)
        around = _with_sample(self.places, query_counts)
        ends = bounds_of(torch.cat([cells, around]))
        bounds = Bounds(
            [ends.low[0], *(n - 1 for n in ends.low[1:])],
            [ends.high[0], *(n + 1 for n in ends.high[1:])],
        )
        self.keys, self.order = torch.sort(cell_keys(cells, bounds), stable=True)
        _, step_x, step_y, _ = key_steps(bounds)
        columns = [x * step_x + y * step_y for x in (-1, 0, 1) for y in (-1, 0, 1)]
        self.columns = self.keys.new_tensor(columns)
        self.middles = cell_keys(around, bounds)

    def candidates(self, queries: Tensor, pairs: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Queries a part at a time, and rows of the points around each, -1 at the end.

        Args:
            queries: int64 `(Q,)` rows of the queries.
            pairs: Entries of a part.

        Yields:
            int64 `(part,)` of the queries and int64 `(part, most)`.
        """
        columns = self.middles[queries][:, None] + self.columns  # (Q, 9)
        starts = torch.searchsorted(self.keys, columns - 1)
        lengths = torch.searchsorted(self.keys, columns + 1, right=True) - starts
        totals, by_size = torch.sort(lengths.sum(1))
        for first, last in _parts(totals, pairs):
            part = by_size[first:last]
            place = torch.arange(int(totals[last - 1]), device=queries.device)
            ends = lengths[part].cumsum(1)  # (part, 9)
            column = torch.searchsorted(ends, place.repeat(len(part), 1), right=True)
            inside = column < ends.shape[1]
            column.clamp_(max=ends.shape[1] - 1)
            shifts = starts[part] - (ends - lengths[part])
            sorted_row = (place + shifts.gather(1, column)).clamp_(max=len(self.keys) - 1)
            yield queries[part], torch.where(inside, self.order[sorted_row], NONE)

    def margin(self, queries: Tensor) -> Tensor:
        """Distance from queries to the outside of the 27 cubes around them, `(Q,)`."""
        inside = self.places[queries].frac()
        # The share taken off covers rounding: what is not sure is only looked at again.
        return (1 + torch.minimum(inside, 1 - inside).amin(1)) * (self.side * (1 - 1e-4))


def _with_sample(places: Tensor, counts: Tensor) -> Tensor:
    """Sample, x, y, z of the cubes of `places` `(N, 3)`, int64 `(N, 4)`."""
    return torch.cat([sample_of(counts)[:, None], places.floor().long()], dim=1)


def _parts(totals: Tensor, pairs: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows sorted by their sizes `totals`, each padded to its last: at most `pairs`."""
    sizes = totals.tolist()
    first = 0
    while first < len(sizes):
        last = first + 1
        # Halving or doubling the rows finds a range that is nearly as large as allowed.
        step = 1
        while step:
            longer = last + step
            if longer <= len(sizes) and (longer - first) * sizes[longer - 1] <= pairs:
                last, step = longer, step * 2
            else:
                step //= 2
        yield first, last
        first = last


def _best(queries: Tensor, points: Tensor, candidates: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Rows and squared distances of the best k of the candidates `(Q, most)`, or of all."""
    missing = candidates < 0
    squared = (points[candidates] - queries[:, None]).square_().sum(-1)  # (Q, most)
    squared.masked_fill_(missing, torch.inf)
    k = min(k, candidates.shape[1])
    if squared.dtype == torch.float32 and len(points) < 2**31:
        # Bits of floats from 0 rank as the floats do; the row below them decides between equals.
        ranks = (squared.view(torch.int32).long() << 32) | (candidates & 0x7FFFFFFF)
        place = ranks.topk(k, dim=1, largest=False).indices
    else:
        by_row = candidates.where(~missing, len(points)).argsort(dim=1)
        place = by_row.gather(1, squared.gather(1, by_row).argsort(dim=1, stable=True)[:, :k])
    return candidates.gather(1, place), squared.gather(1, place)


def _cell_side(points: Tensor, counts: Tensor, k: int) -> float:
    """A side of cubes that hold about `_POINTS_PER_CELL * k` points where they hold any."""
    extent = float((points.amax(0) - points.amin(0)).amax())
    if extent == 0:
        return 1.0
    wanted = max(1.0, _POINTS_PER_CELL * k)
    side = extent / max(1.0, len(points) / wanted) ** 0.5
    for _ in range(3):
        coords = _with_sample((points - points.amin(0)) / side, counts)
        filled = len(torch.unique(cell_keys(coords)))
        # The number of points grows with the square of the side on a surface.
        side *= min(2.0, max(0.5, (wanted * filled / len(points)) ** 0.5))
    return side


def _check_counts(name: str, rows: Tensor, counts: Tensor) -> None:
    if int(counts.sum()) != len(rows):
        raise ConfigError(
            f"{name}: the counts of the samples add up to {int(counts.sum())}, and there are "
            f"{len(rows)} rows."
        )
