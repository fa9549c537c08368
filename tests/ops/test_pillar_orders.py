"""Orders and groups of pillars, against sorted tuples and loops."""

import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vision.ops.pillar_orders import cut_groups, window_order

SAMPLES, ROWS, COLUMNS = 3, 17, 23


def pillars(count: int, seed: int = 0, *, samples: int = SAMPLES) -> Tensor:
    """Different cells of a grid, in any order."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.randperm(samples * ROWS * COLUMNS, generator=generator)[:count]
    cell = place % (ROWS * COLUMNS)
    sample = place // (ROWS * COLUMNS)
    return torch.stack([sample, 0 * cell, cell // COLUMNS, cell % COLUMNS], dim=1)


def walked(coords: Tensor, window: tuple[int, int], *, axis: str, shifted: bool) -> list[int]:
    """The order of a walk: rows of windows, windows, columns and cells, by nested sorting."""
    wide, high = window if axis == "x" else window[::-1]

    def key(i: int) -> tuple[int, ...]:
        sample, _, y, x = coords[i].tolist()
        along, across = (x, y) if axis == "x" else (y, x)
        if shifted:
            along, across = along + wide // 2, across + high // 2
        back = (across // high) % 2 == 1
        column, cell = along % wide, across % high
        cell = -cell if column % 2 else cell
        inner = (-column, -cell) if back else (column, cell)
        place = along // wide
        return sample, across // high, -place if back else place, *inner

    return sorted(range(len(coords)), key=key)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("window", [(5, 5), (4, 3), (1, 6), (40, 2), (13, 13)])
def test_a_walk_through_the_windows(window: tuple[int, int], shifted: bool, axis: str) -> None:
    coords = pillars(200, seed=sum(window))
    found = window_order(coords, window, axis=axis, shifted=shifted)
    assert found.tolist() == walked(coords, window, axis=axis, shifted=shifted)


def published_key(coords: Tensor, grid: tuple[int, int], side: int) -> Tensor:
    """The key of the authors for the order y of shifted square windows."""
    rows_of_windows = 2 * (-(-grid[1] // side) + 1)
    x, y = coords[:, 3] + side // 2, coords[:, 2] + side // 2
    back, turned = 1 - 2 * (x // side % 2), 1 - 2 * (y % side % 2)
    inner = 2 * side * (y % side) + turned * (x % side)
    key = (rows_of_windows * (x // side) + back * (y // side)) * (2 * side) ** 2 + back * inner
    return key + coords[:, 0] * grid[0] * grid[1] * 10


@pytest.mark.parametrize(("grid", "side", "mixes"), [((40, 32), 5, True), ((468, 468), 13, False)])
def test_samples_never_mix_where_the_published_key_mixes_them(
    grid: tuple[int, int], side: int, mixes: bool
) -> None:
    columns, rows = grid
    edges = torch.tensor([[y, x] for x in (0, 1, columns - 1) for y in range(rows)])
    zeros = torch.zeros(len(edges), 1, dtype=torch.int64)
    coords = torch.cat([torch.cat([zeros + sample, zeros, edges], dim=1) for sample in (0, 1)])
    theirs = published_key(coords, grid, side).sort().indices
    ours = window_order(coords, (side, side), axis="y", shifted=True)
    assert bool((coords[theirs, 0].diff() < 0).any()) is mixes
    assert not (coords[ours, 0].diff() < 0).any()
    # Where they do not mix, both are the same.
    assert torch.equal(theirs, ours) is not mixes


def looped(counts: list[int], size: int, *, copies: bool) -> tuple[list[int], list[bool]]:
    """The pillar in each place, and whether it may be attended to."""
    ranks, seen, start = [], [], 0
    for count in counts:
        own = list(range(start, start + count))
        start += count
        missing = -count % size
        if missing and copies and count >= size:
            before = own[: count - count % size][-size:]
            ranks += own + before[size - missing :]
            seen += [True] * (count + missing)
        else:
            # Nobody sees these places.
            ranks += own + [-1] * missing
            seen += [True] * count + [False] * missing
    return ranks, seen


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any),
    st.integers(1, 9),
    st.booleans(),
)
@examples(60)
def test_groups_are_those_of_a_loop(counts: list[int], size: int, copies: bool) -> None:
    groups = cut_groups(torch.tensor(counts), sum(counts), size, copies=copies)
    ranks, seen = looped(counts, size, copies=copies)
    assert groups.rank_of.shape == (len(ranks) // size, size)
    found = groups.rank_of.flatten()
    if groups.seen is None:
        assert all(seen)
    else:
        assert groups.seen.flatten().tolist() == seen
        found = found.where(groups.seen.flatten(), -1)
    assert found.tolist() == ranks
    assert torch.equal(groups.rank_of.flatten()[groups.place_of], torch.arange(sum(counts)))
    # A pillar's place is not one of those that are filled up.
    assert len(set(groups.place_of.tolist())) == sum(counts)
