import pytest
import torch

from vision.layers.window import (
    MASKED,
    from_windows,
    pad_map,
    regroup,
    relative_position_index,
    shifted_bias_rows,
    shifted_window_masks,
    to_windows,
)


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


@pytest.mark.parametrize("size", [(3, 3), (6, 9), (3, 12), (12, 3)])
def test_windows_put_together_are_the_map(size: tuple[int, int]) -> None:
    x = torch.randn(2, *size, 5)
    assert torch.equal(from_windows(to_windows(x, (3, 3)), (3, 3), size), x)


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
    ("grid", "window", "shift"), [((1, 1), 4, 2), ((2, 3), 3, 1), ((3, 1), 4, 3)]
)
def test_only_neighbours_of_the_unshifted_map_attend_to_each_other(
    grid: tuple[int, int], window: int, shift: int
) -> None:
    height, width = grid[0] * window, grid[1] * window
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width).expand(height, width)
    # Where each position lies, and where it lay before the shift.
    here = torch.stack([rows, columns], dim=-1)
    origin = torch.roll(here, (-shift, -shift), (0, 1))
    places = to_windows(
        torch.cat([here, origin], dim=-1)[None], (window, window)
    )  # (windows, N, 4)
    here, origin = places[..., :2], places[..., 2:]
    # A pair that the shift brought together from opposite borders is as near now as it never was.
    kept = (here[:, :, None] - here[:, None] == origin[:, :, None] - origin[:, None]).all(-1)

    masks = shifted_window_masks((window, window), (shift, shift))
    kinds = shifted_bias_rows(grid, heads=1)
    assert torch.equal(masks[kinds] == 0, kept)
    assert set(masks.unique().tolist()) == {MASKED, 0.0}


def test_every_head_has_the_rows_of_its_window() -> None:
    rows = shifted_bias_rows((2, 2), heads=3)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
