"""The space of composed heads: cells in millimetres, rotations, smooth fields."""

import numpy as np
import pytest

from vision.data.synthetic.head_space import Grid, make_grid, rotation, smooth_field, soft_step


def test_cells_lie_where_their_affine_puts_them() -> None:
    grid = make_grid(np.random.default_rng(1), size=16)
    assert grid.shape == (16, 16, 12)
    places = grid.places_mm()
    for cell in ((0, 0, 0), (15, 3, 7), (8, 15, 11)):
        expected = grid.affine @ [*cell, 1]
        np.testing.assert_allclose(places[:, *cell], expected[:3], atol=1e-3)
    # The grid is oblique, around the head, and its cells are no cubes.
    np.testing.assert_allclose(places.mean(axis=(1, 2, 3)), 0, atol=9)
    axes = grid.affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    np.testing.assert_allclose(spacing, [182 / 16, 211 / 16, 168 / 12])
    directions = axes / spacing
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-12)
    assert 0 < np.abs(directions - np.diag([-1, -1, 1])).max() < 0.3
    assert grid.cell_mm == pytest.approx(spacing.prod() ** (1 / 3))


def test_a_rotation_turns_about_each_axis() -> None:
    quarter = np.pi / 2
    np.testing.assert_allclose(
        rotation(np.array([quarter, 0, 0])) @ [0, 1, 0], [0, 0, 1], atol=1e-9
    )
    np.testing.assert_allclose(
        rotation(np.array([0, 0, quarter])) @ [1, 0, 0], [0, 1, 0], atol=1e-9
    )
    turn = rotation(np.array([0.3, -1.2, 2.0]))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_smooth_fields_have_no_small_structures() -> None:
    shape = (24, 18, 12)
    field = smooth_field(np.random.default_rng(2), shape, waves=4)
    assert (field.shape, field.dtype) == (shape, np.float32)
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-5)
    finer = smooth_field(np.random.default_rng(2), shape, waves=10)
    for axis in range(3):
        steps = [np.square(np.diff(one, axis=axis)).mean() for one in (field, finer)]
        assert steps[0] < 0.6 * steps[1]
        # Of all its waves none is shorter than half of the axis, but for the ends of the range.
        spectrum = np.square(
            np.abs(np.fft.rfft(np.concatenate([field, np.flip(field, axis)], axis), axis=axis))
        )
        power = spectrum.sum(axis=tuple(other for other in range(3) if other != axis))
        assert power[5:].sum() < 1e-6 * power.sum()


def test_a_soft_step_is_half_at_its_place() -> None:
    steps = soft_step(np.array([-9.0, 0.0, 9.0]), 1.0)
    np.testing.assert_allclose(steps, [0, 0.5, 1], atol=1e-6)


def test_a_grid_may_be_of_any_affine() -> None:
    grid = Grid((2, 1, 1), np.diag([2.0, 3.0, 4.0, 1.0]))
    np.testing.assert_array_equal(grid.places_mm()[:, :, 0, 0].T, [[0, 0, 0], [2, 0, 0]])
