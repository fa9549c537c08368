import itertools

import pytest
import torch

from vision.layers.window import (
    MASKED,
    from_windows,
    pad_map,
    regroup,
    relative_position_index,
    shifted_bias_rows,
    shifted_window_kinds,
    shifted_window_masks,
    to_windows,
    window_positions,
)
from vision.layers.window_attention import group_order, group_sizes


def test_windows_come_in_rows_and_their_positions_column_by_column() -> None:
    x = torch.arange(24).view(1, 4, 6, 1)
    assert to_windows(x, (2, 2))[..., 0].tolist() == [
        [0, 6, 1, 7],
        [2, 8, 3, 9],
        [4, 10, 5, 11],
        [12, 18, 13, 19],
        [14, 20, 15, 21],
        [16, 22, 17, 23],
    ]


@pytest.mark.parametrize(
    ("size", "window"),
    [
        ((3, 3), (3, 3)),
        ((6, 9), (3, 3)),
        ((3, 12), (3, 4)),
        ((12, 3), (2, 3)),
        ((4, 6, 10), (2, 3, 5)),
        ((3, 2, 4), (3, 1, 2)),
    ],
)
def test_windows_put_together_are_the_map(size: tuple[int, ...], window: tuple[int, ...]) -> None:
    x = torch.randn(2, *size, 5)
    windows = to_windows(x, window)
    assert torch.equal(from_windows(windows, window, size), x)
    # The first window in the order of its positions.
    places = window_positions(window).tolist()
    assert torch.equal(windows[0], x[(0, *places)])


@pytest.mark.parametrize("window", [(2, 2, 2), (3, 2, 1), (2, 3)])
def test_a_smaller_window_reads_the_table_by_rank_as_monai(window: tuple[int, ...]) -> None:
    table = (3, 4, 2)[: len(window)]
    whole = list(itertools.product(*map(range, table)))
    place = window_positions(window).T.tolist()
    ranks = {corner: rank for rank, corner in enumerate(itertools.product(*map(range, window)))}
    index = relative_position_index(window, table, ranked=True)
    for i, j in itertools.product(range(len(place)), repeat=2):
        query, key = whole[ranks[tuple(place[i])]], whole[ranks[tuple(place[j])]]
        row = 0
        for a, b, side in zip(query, key, table, strict=True):
            row = row * (2 * side - 1) + a - b + side - 1
        assert index[i, j] == row


def test_a_map_grows_by_zeros_and_shrinks_again() -> None:
    x = torch.ones(1, 2, 3, 4)
    padded = pad_map(x, (2, 3), before=(1, 0))
    assert padded.shape == (1, 5, 6, 4)
    assert padded.sum() == x.sum()
    assert torch.equal(pad_map(padded, (-2, -3), before=(-1, 0)), x)


def test_regrouping_keeps_the_memory_order() -> None:
    x = torch.arange(48).view(2, 3, 4, 2)
    assert torch.equal(regroup(x, 6, 4).flatten(), x.flatten())


@pytest.mark.parametrize(("window", "table_window"), [(1, 1), (3, 3), (2, 5)])
def test_bias_rows_follow_the_formula_of_the_table(window: int, table_window: int) -> None:
    index = relative_position_index((window, window), (table_window, table_window))
    for i in range(window**2):
        for j in range(window**2):
            dx, dy = i // window - j // window, i % window - j % window
            side = 2 * table_window - 1
            assert index[i, j] == (dy + table_window - 1) * side + dx + table_window - 1


@pytest.mark.parametrize(
    ("grid", "window", "shift"),
    [
        ((1, 1), (4, 4), (2, 2)),
        ((2, 3), (3, 3), (1, 1)),
        ((3, 1), (4, 4), (3, 3)),
        ((2, 3, 2), (2, 3, 2), (1, 1, 1)),
        ((2, 1, 3), (3, 2, 2), (2, 0, 1)),
    ],
)
def test_only_neighbours_of_the_unshifted_map_attend_to_each_other(
    grid: tuple[int, ...], window: tuple[int, ...], shift: tuple[int, ...]
) -> None:
    size = [count * side for count, side in zip(grid, window, strict=True)]
    # Where each position lies, and where it lay before the shift.
    here = torch.stack(torch.meshgrid(*map(torch.arange, size), indexing="ij"), dim=-1)
    axes = len(size)
    origin = torch.roll(here, [-cells for cells in shift], tuple(range(axes)))
    places = to_windows(torch.cat([here, origin], dim=-1)[None], window)  # (windows, N, 2 * axes)
    here, origin = places[..., :axes], places[..., axes:]
    # A pair that the shift brought together from opposite borders is as near now as it never was.
    kept = (here[:, :, None] - here[:, None] == origin[:, :, None] - origin[:, None]).all(-1)

    masks = shifted_window_masks(window, shift)
    kinds = shifted_window_kinds(grid, shifted=[cells > 0 for cells in shift])
    assert torch.equal(masks[kinds] == 0, kept)
    assert set(masks.unique().tolist()) == {MASKED, 0.0}
    order, back = group_order(grid, shift)
    found, counts = group_sizes(grid, shift)
    assert kinds[order].tolist() == [
        k for k, n in zip(found, counts, strict=True) for _ in range(n)
    ]
    assert torch.equal(order[back], torch.arange(len(kinds)))


def test_every_head_has_the_rows_of_its_window() -> None:
    rows = shifted_bias_rows((2, 2), heads=3)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
