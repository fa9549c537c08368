import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.voxels import (
    Bounds,
    cell_keys,
    first_rows,
    group_cells,
    reduce_cells,
    sample_of,
    voxel_coords,
)

# Rows of indices with many equal ones, negative ones among them.
ROWS = st.integers(1, 4).flatmap(
    lambda axes: st.lists(
        st.lists(st.integers(-3, 3), min_size=axes, max_size=axes), min_size=1, max_size=40
    )
)


def rows_by_cell(coords: Tensor) -> dict[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    for row, cell in enumerate(coords.tolist()):
        found.setdefault(tuple(cell), []).append(row)
    return found


def test_a_voxel_is_the_floor() -> None:
    points = torch.tensor([[0.0, 1.99, -0.01], [4.0, -2.5, 2.0]])
    found = voxel_coords(points, 2.0, (0.0, 0.0, 0.0))
    assert found.tolist() == [[0, 0, -1], [2, -2, 1]]
    assert voxel_coords(points, (1.0, 2.0, 4.0), (-1, 0, 0)).tolist() == [[1, 0, -1], [5, -2, 0]]
    with pytest.raises(ConfigError, match="positive"):
        voxel_coords(points, 0.0, (0.0, 0.0, 0.0))


@examples(60)
@given(ROWS)
def test_keys_sort_as_the_rows_do(rows: list[list[int]]) -> None:
    coords = torch.tensor(rows)
    keys = cell_keys(coords).tolist()
    assert [rows[i] for i in sorted(range(len(rows)), key=keys.__getitem__)] == sorted(rows)
    assert len(set(keys)) == len(rows_by_cell(coords))
    assert min(keys) >= 0


def test_keys_reach_the_end_of_int64_and_no_further() -> None:
    far = torch.tensor([[0, 0, 0], [2**21 - 2, 2**21 - 1, 2**21 - 1]])
    assert cell_keys(far).tolist() == [0, (2**21 - 1) * 2**42 - 1]
    far[1, 0] += 1
    with pytest.raises(ConfigError, match="outliers"):
        cell_keys(far)


def test_keys_of_two_sets_agree_within_one_bounds() -> None:
    bounds = Bounds([-5, -5], [5, 9])
    one, two = torch.tensor([[0, 1], [2, 3]]), torch.tensor([[2, 3], [-5, 9]])
    assert cell_keys(one, bounds)[1] == cell_keys(two, bounds)[0]


@examples(60)
@given(ROWS)
def test_groups_are_those_of_a_dictionary(rows: list[list[int]]) -> None:
    coords = torch.tensor(rows)
    cells, expected = group_cells(coords), rows_by_cell(coords)
    assert cells.coords.tolist() == [list(cell) for cell in sorted(expected)]
    assert cells.counts.tolist() == [len(expected[cell]) for cell in sorted(expected)]
    assert cells.order.tolist() == [row for cell in sorted(expected) for row in expected[cell]]
    assert cells.coords[cells.cell_of].tolist() == rows


@examples(40)
@given(ROWS, st.integers(0, 99))
def test_values_of_cells_are_those_of_a_loop(rows: list[list[int]], seed: int) -> None:
    coords = torch.tensor(rows)
    values = torch.randn(len(rows), 3, generator=torch.Generator().manual_seed(seed))
    cells, expected = group_cells(coords), rows_by_cell(coords)
    of_cells = [values[expected[cell]] for cell in sorted(expected)]
    assert reduce_cells(values, cells, "first").equal(torch.stack([v[0] for v in of_cells]))
    assert reduce_cells(values, cells, "max").equal(torch.stack([v.amax(0) for v in of_cells]))
    torch.testing.assert_close(
        reduce_cells(values, cells, "mean"), torch.stack([v.mean(0) for v in of_cells])
    )


def test_gradients_of_values_of_cells() -> None:
    cells = group_cells(torch.tensor([[2], [0], [2], [1], [0], [2]]))
    values = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    for how in ("mean", "max", "first"):
        assert torch.autograd.gradcheck(lambda x, how=how: reduce_cells(x, cells, how), values)


def test_the_order_of_rows_and_of_samples_changes_no_cell() -> None:
    coords = torch.randint(-4, 4, (200, 3))
    values = torch.randn(200, 2)
    mixed = torch.randperm(200)
    one, two = group_cells(coords), group_cells(coords[mixed])
    assert one.coords.equal(two.coords)
    assert one.counts.equal(two.counts)
    assert reduce_cells(values, one, "max").equal(reduce_cells(values[mixed], two, "max"))
    # A sample alone has the cells that it has in a batch, whatever its number there.
    counts = torch.tensor([80, 0, 120])
    samples = sample_of(counts)
    batch = group_cells(torch.cat([samples[:, None], coords], 1))
    alone = group_cells(coords[80:])
    mine = batch.coords[:, 0] == 2
    assert batch.coords[mine, 1:].equal(alone.coords)
    found = reduce_cells(values, batch, "mean")[mine]
    assert found.equal(reduce_cells(values[80:], alone, "mean"))


def test_nothing_has_no_cells() -> None:
    cells = group_cells(torch.empty(0, 3, dtype=torch.int64))
    assert [tuple(part.shape) for part in cells] == [(0, 3), (0,), (0,), (0,)]
    assert reduce_cells(torch.empty(0, 5), cells, "mean").shape == (0, 5)
    assert first_rows(torch.tensor([2, 1, 3])).tolist() == [0, 2, 3]
