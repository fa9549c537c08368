import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.voxel_neighbors import PAIRS, nearest, neighbor_table


@examples(40)
@given(st.sets(st.tuples(*[st.integers(-2, 2)] * 3), max_size=40), st.integers(0, 99))
def test_neighbours_are_those_of_a_dictionary(cells: set[tuple[int, ...]], seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    rows = [list(cell) for cell in cells]
    offsets = torch.randint(-2, 3, (7, 3), generator=rng)
    coords = torch.tensor(rows, dtype=torch.int64).view(-1, 3)
    row_of = {tuple(cell): row for row, cell in enumerate(rows)}
    expected = [
        [
            row_of.get(tuple(a + b for a, b in zip(cell, offset, strict=True)), -1)
            for offset in offsets.tolist()
        ]
        for cell in rows
    ]
    assert neighbor_table(coords, offsets).tolist() == expected


def brute_force(queries: Tensor, points: Tensor, k: int) -> tuple[list[list[int]], Tensor]:
    squared = (queries[:, None] - points).square().sum(-1)
    order = [sorted(range(len(points)), key=row.__getitem__)[:k] for row in squared.tolist()]
    return order, squared


def check_nearest(queries: list[Tensor], points: list[Tensor], k: int, pairs: int = PAIRS) -> None:
    counts = [torch.tensor([len(part) for part in side]) for side in (queries, points)]
    found = nearest(torch.cat(queries), counts[0], torch.cat(points), counts[1], k, pairs=pairs)
    first_query = first_point = 0
    for some, cloud in zip(queries, points, strict=True):
        rows, squared = brute_force(some, cloud, k)
        for i, expected in enumerate(rows):
            at = first_query + i
            missing = [-1] * (k - len(expected))
            assert found.indices[at].tolist() == [first_point + j for j in expected] + missing
            assert found.distances[at, : len(expected)].equal(squared[i, expected])
            assert found.distances[at, len(expected) :].isinf().all()
        first_query, first_point = first_query + len(some), first_point + len(cloud)


@examples(40)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), min_size=1, max_size=3),
    st.integers(1, 18),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from([None, 1, 4]),
    st.integers(0, 99),
)
def test_the_nearest_are_those_of_all_distances(
    sizes: list[tuple[int, int]], k: int, dtype: torch.dtype, grid: int | None, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    queries, points = [], []
    for few, many in sizes:
        for side, count in ((queries, few), (points, many)):
            drawn = torch.randn(count, 3, generator=rng, dtype=dtype) * 5
            # On a grid many points are equally far.
            side.append(drawn if grid is None else (drawn / grid).round() * grid)
    check_nearest(queries, points, k)


def test_far_points_and_flat_clouds() -> None:
    line = torch.zeros(50, 3)
    line[:, 0] = torch.arange(50)
    far = torch.tensor([[1e5, 0, 0], [-3e4, 2, 7e4], [0.2, 0.1, 0.3]])
    check_nearest([far], [torch.cat([line, far])], 5)
    check_nearest([line], [torch.ones(20, 3)], 3)


def test_parts_of_any_size_change_nothing() -> None:
    points, queries = torch.rand(300, 3), torch.rand(40, 3)
    for pairs in (1, 100, 5000):
        check_nearest([queries], [points], 4, pairs)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # The largest tensor of a search is of its pairs, not of all queries and points.
    points = torch.rand(4000, 3)
    counts = torch.tensor([len(points)])
    largest = 0
    gather = torch.Tensor.gather

    def watched(self: Tensor, *args: object, **options: object) -> Tensor:
        nonlocal largest
        result = gather(self, *args, **options)
        largest = max(largest, result.numel())
        return result

    monkeypatch.setattr(torch.Tensor, "gather", watched)
    nearest(points, counts, points, counts, 16, pairs=20_000)
    assert 0 < largest <= 20_000


def test_samples_give_what_they_give_alone() -> None:
    clouds = [torch.rand(60, 3).mul_(9).round_() for _ in range(3)]
    for order in ([0, 1, 2], [2, 0, 1]):
        chosen = [clouds[i] for i in order]
        check_nearest(chosen, chosen, 6)


def test_counts_must_fit() -> None:
    points, one = torch.rand(5, 3), torch.tensor([5])
    with pytest.raises(ConfigError, match="queries: the counts"):
        nearest(points, torch.tensor([4]), points, one, 1)
    with pytest.raises(ConfigError, match="k=0"):
        nearest(points, one, points, one, 0)
