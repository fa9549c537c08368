"""Rendered points: what is in front is seen, walls before the eye are not."""

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.draw.clouds import BACKGROUND, FRONT, View, render_cloud, walls_before
from vision.errors import ConfigError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
ABOVE, FROM_X = View(-90, 90), View(0, 0)


def sheet(height: float, count: int = 60) -> np.ndarray:
    """Points of a square of side 1 at a height."""
    x, y = np.meshgrid(np.linspace(0, 1, count), np.linspace(0, 1, count))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, height)], axis=1)


def colored(points: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.tile(np.array(color, np.uint8), (len(points), 1))


@pytest.mark.parametrize("order", [1, -1])
def test_the_nearest_point_is_seen_for_any_order(order: int) -> None:
    low, high = sheet(0), sheet(1)
    half = high[high[:, 0] < 0.5]
    points = np.concatenate([low, half])[::order]
    colors = np.concatenate([colored(low, RED), colored(half, GREEN)])[::order]
    nothing = np.zeros(len(points), bool)
    picture = render_cloud(points, colors, ABOVE, side=100, cut=nothing)
    # x to the right, y upwards.
    assert tuple(picture[50, 25]) == GREEN
    assert picture[50, 75].argmax() == 0
    assert tuple(picture[1, 1]) == BACKGROUND
    below = render_cloud(points, colors, View(-90, -90), side=100, cut=nothing)
    assert tuple(below[50, 25]) == RED


def test_directions_are_those_of_a_map_seen_from_above() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    colors = np.array([BLUE, RED, GREEN], np.uint8)
    picture = render_cloud(points, colors, ABOVE, side=100)
    places = {
        name: np.argwhere((picture == color).all(axis=2)).mean(axis=0)
        for name, color in (("0", BLUE), ("x", RED), ("y", GREEN))
    }
    assert places["x"][1] > places["0"][1] + 50
    assert places["y"][0] < places["0"][0] - 50


def test_ceiling_and_walls_before_the_eye_are_cut_off() -> None:
    floor, ceiling = sheet(0), sheet(1)
    walls = [np.roll(sheet(place), turn, axis=1) for turn in (1, 2) for place in (0, 1)]
    points = np.concatenate([floor, ceiling, *walls])
    name = np.repeat(["floor", "ceiling", "x0", "x1", "y0", "y1"], len(floor))
    # The eye is at large x, small y and above.
    cut = walls_before(points, FRONT)
    inside = (points > 0.1).all(axis=1) & (points < 0.9).all(axis=1)
    assert not inside.any()
    for side, expected in (("floor", 0), ("ceiling", 1), ("x0", 0), ("x1", 1), ("y0", 1)):
        middle = (name == side) & (np.abs(points - 0.5) < 0.4).sum(axis=1).__ge__(2)
        assert cut[middle].mean() == expected, side
    # A ball has no walls.
    ball = np.random.default_rng(0).normal(size=(5000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    assert walls_before(ball, FRONT).mean() < 0.25


def test_few_points_are_large_and_none_leave_the_picture_empty() -> None:
    few = render_cloud(sheet(0, 12), colored(sheet(0, 12), RED), ABOVE, side=100)
    assert (few[20:80, 20:80] != BACKGROUND).any(axis=2).mean() > 0.3
    empty = render_cloud(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), side=20)
    assert (empty == BACKGROUND).all()
    one = render_cloud(np.ones((1, 3)), np.array([RED], np.uint8), side=21)
    assert (one == RED).all(axis=2).any()
    with refuses(ConfigError, "(4, 2)", "(P, 3)"):
        render_cloud(np.zeros((4, 2)), np.zeros((4, 2), np.uint8))
