"""Boxes from above, read back from the pixels."""

import math

import numpy as np
import torch
from helpers.tiny_monocular import CAMERA, ORIGINAL

from vision.draw.birds_eye import BACKGROUND, POINTS, SEEN, Seen, draw_birds_eye
from vision.draw.strokes import Stroke

RED, BLUE = (200, 0, 0), (0, 0, 200)
HEIGHT = 400


def view(*boxes: list[float], points: torch.Tensor | None = None) -> np.ndarray:
    colors = [RED, BLUE][: len(boxes)]
    seen = Seen(torch.tensor(boxes).reshape(-1, 7), colors, Stroke(1))
    return draw_birds_eye([seen], CAMERA, ORIGINAL[1], height=HEIGHT, points=points)


def extent(picture: np.ndarray, color: tuple[int, int, int]) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero((picture == color).all(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


def metres(picture: np.ndarray, far: float) -> float:
    """Pixels per metre: the camera stands at 94 % of the height."""
    return 0.94 * HEIGHT / far


def test_a_box_is_drawn_to_scale_and_shows_where_it_looks() -> None:
    # 36 m ahead, with a margin of 4 m beyond it; it looks to the right.
    picture = view([6.0, 1, 36, 4, 1.5, 2, 0.0])
    scale, middle = metres(picture, 40), picture.shape[1] / 2
    left, top, right, bottom = extent(picture, RED)
    assert abs(left - (middle + 4 * scale)) <= 1
    # Its nose sticks out by half of its length again.
    assert abs(right - (middle + 9 * scale)) <= 1
    assert abs(top - (0.94 * HEIGHT - 37 * scale)) <= 1
    assert abs(bottom - (0.94 * HEIGHT - 35 * scale)) <= 1
    # Yaw is clockwise seen from above: a quarter turn looks to the camera.
    turned = extent(view([6.0, 1, 36, 4, 1.5, 2, math.pi / 2]), RED)
    assert abs(turned[3] - (0.94 * HEIGHT - 33 * scale)) <= 1
    assert abs(turned[1] - (0.94 * HEIGHT - 38 * scale)) <= 1


def test_white_is_what_the_camera_sees() -> None:
    picture = view([0.0, 1, 36, 4, 1.5, 2, 0.0])
    scale, middle = metres(picture, 40), picture.shape[1] / 2
    for ahead in (8.0, 12.5):
        row = picture[round(0.94 * HEIGHT - ahead * scale)]
        columns = np.flatnonzero((row == SEEN).all(axis=1))
        # Of the sides of the image: u = 0 and u = the width, at a depth of z.
        for side, column in ((0, columns[0]), (ORIGINAL[1], columns[-1])):
            x = (side - float(CAMERA[0, 2])) / float(CAMERA[0, 0]) * ahead
            assert abs(column - (middle + x * scale)) <= 1.5
    assert (picture[-1, 0] == BACKGROUND).all()


def test_a_box_that_is_far_away_or_behind_does_not_change_the_scale() -> None:
    near = [0.0, 1, 36, 4, 1.5, 2, 0.0]
    alone = view(near)
    both = view(near, [0.0, 1, -70, 4, 1.5, 2, 0.0])
    assert extent(both, RED) == extent(alone, RED)
    assert not (both == BLUE).all(axis=2).any()
    nothing = view(near, [math.nan, 1, 20, 4, 1.5, 2, 0.0])
    np.testing.assert_array_equal(nothing, alone)


def test_points_lie_where_boxes_do() -> None:
    points = torch.tensor([[6.0, 5, 36], [-3, 0, 20]])
    picture = view([0.0, 1, 36, 4, 1.5, 2, 0.0], points=points)
    scale, middle = metres(picture, 40), picture.shape[1] / 2
    for x, _, z in points.tolist():
        place = picture[int(0.94 * HEIGHT - z * scale), int(middle + x * scale)]
        assert (place == POINTS).all()
