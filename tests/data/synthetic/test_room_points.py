"""Points on boxes: on their faces, as many as their areas, none where another box hides them."""

import math

import numpy as np
import pytest

from vision.data.synthetic import room_points
from vision.data.synthetic.room_pieces import GREY, Piece, block, opening
from vision.data.synthetic.room_points import NOISE_M, RoomPoints, sample_points


@pytest.fixture(autouse=True)
def _without_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_points, "HOLES", (0, 1))


def sampled(*pieces: Piece, density: float = 2000) -> RoomPoints:
    return sample_points(np.random.default_rng(0), pieces, density=density)


def test_faces_have_points_by_their_areas() -> None:
    found = sampled(block("table", (0, 0, 0), (1.0, 2.0, 0.5), GREY))
    assert len(found.points) == pytest.approx(2000 * 2 * (2 + 0.5 + 1), rel=0.02)
    away = np.abs(found.points - [0.5, 1.0, 0.25]) - [0.5, 1.0, 0.25]
    assert np.abs(away.max(axis=1)).max() < 6 * NOISE_M
    sheet = sampled(block("wall", (0, 0, 0), (1.0, 0.0, 2.0), GREY))
    assert len(sheet.points) == pytest.approx(4000, rel=0.05)
    assert np.abs(sheet.points[:, 1]).max() < 6 * NOISE_M


def test_a_turned_box_has_the_same_faces() -> None:
    box = block("sofa", (-1, -0.3, 0), (1, 0.3, 0.4), GREY)._replace(yaw=0.7)
    x, y, z = sampled(box).points.T
    along = x * math.cos(0.7) + y * math.sin(0.7)
    across = -x * math.sin(0.7) + y * math.cos(0.7)
    away = np.stack([np.abs(along) - 1, np.abs(across) - 0.3, np.abs(z - 0.2) - 0.2])
    assert np.abs(away.max(axis=0)).max() < 6 * NOISE_M


def test_what_another_box_or_an_opening_hides_has_no_points() -> None:
    wall = block("wall", (0, 0, 0), (2.0, 0.0, 2.0), GREY)
    column = block("column", (-0.1, -0.2, -0.1), (0.5, 0.2, 2.1), GREY)
    window = opening((1.0, -0.1, 0.5), (1.5, 0.1, 1.5))
    found = sampled(wall, column, window)
    own = found.points[found.label == wall.label]
    margin = 6 * NOISE_M
    assert own[:, 0].min() > 0.5 - margin
    within = (own[:, [0, 2]] > [1 + margin, 0.5 + margin]) & (
        own[:, [0, 2]] < [1.5 - margin, 1.5 - margin]
    )
    assert not within.all(axis=1).any()
    assert {*found.label.tolist()} == {wall.label, column.label}
    assert len(own) == pytest.approx(2000 * (1.5 * 2 - 0.5), rel=0.05)
