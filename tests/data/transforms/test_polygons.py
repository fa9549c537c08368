import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from vision.data.transforms.polygons import fill_polygons, visible_box


def points(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, dtype=np.float64)


def rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return points((x1, y1), (x2, y1), (x2, y2), (x1, y2))


def clipped(polygon: list[tuple[float, float]], height: float, width: float) -> np.ndarray:
    """What is left of a convex polygon in a window (Sutherland and Hodgman, 1974)."""
    # The sides as "a * x + b * y <= c".
    for a, b, c in ((-1, 0, 0), (1, 0, width), (0, -1, 0), (0, 1, height)):
        left = []
        for i, here in enumerate(polygon):
            before = polygon[i - 1]
            inside, was_inside = (a * x + b * y <= c for x, y in (here, before))
            if inside != was_inside:
                dx, dy = here[0] - before[0], here[1] - before[1]
                t = (c - a * before[0] - b * before[1]) / (a * dx + b * dy)
                left.append((before[0] + t * dx, before[1] + t * dy))
            if inside:
                left.append(here)
        polygon = left
    return np.array(polygon).reshape(-1, 2)


@given(
    centre=st.tuples(st.floats(-20, 50), st.floats(-20, 50)),
    radii=st.tuples(st.floats(1, 60), st.floats(1, 60)),
    turns=st.lists(st.integers(0, 99), min_size=3, max_size=9, unique=True),
)
@examples(100)
def test_the_visible_box_of_convex_polygons_is_exact(
    centre: tuple[float, float], radii: tuple[float, float], turns: list[int]
) -> None:
    angles = np.sort(turns) * (2 * np.pi / 100)
    polygon = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii + centre
    actual = visible_box([polygon], 24, 30)
    expected = clipped([tuple(point) for point in polygon.tolist()], 24, 30)
    sides = np.ptp(expected, axis=0) if len(expected) else np.zeros(2)
    if sides.min() < 0.01:  # as good as out of sight
        assert (actual[2:] - actual[:2]).min() < 0.02
    else:
        np.testing.assert_allclose(actual[:2], expected.min(axis=0), atol=0.15)
        np.testing.assert_allclose(actual[2:], expected.max(axis=0), atol=0.15)


@pytest.mark.parametrize(
    ("polygons", "expected"),
    [
        # Inside, and enclosing the window.
        ([rectangle(2, 3, 7.5, 9)], (2, 3, 7.5, 9)),
        ([rectangle(-5, -5, 50, 50)], (0, 0, 20, 10)),
        # Only edges cross the window, no corner lies in it.
        ([rectangle(-5, 3, 50, 4.25)], (0, 3, 20, 4.25)),
        # A triangle whose slanted edge leaves at x = 20 and y = 5.
        ([points((10, 0), (30, 10), (10, 10))], (10, 0, 20, 10)),
        # A U whose bottom, which joins its arms, is out of sight.
        (
            [points((2, 2), (4, 2), (4, 12), (6, 12), (6, 5), (8, 5), (8, 15), (2, 15))],
            (2, 2, 8, 10),
        ),
        # Seen at the right; it goes round the corner below, out of sight.
        (
            [points((18, 2), (40, 2), (40, 30), (5, 30), (5, 20), (30, 20), (30, 4), (18, 4))],
            (18, 2, 20, 4),
        ),
        # Around the window on two sides, and along its border: nothing is seen.
        ([points((20, -5), (40, -5), (40, 30), (-5, 30), (-5, 10), (20, 10))], (0, 0, 0, 0)),
        ([rectangle(-7, 0, 0, 10)], (0, 0, 0, 0)),
        # Of two parts one is seen; none at all.
        ([rectangle(3, 3, 5, 5), rectangle(30, 3, 40, 5)], (3, 3, 5, 5)),
        ([], (0, 0, 0, 0)),
    ],
    ids=[
        *("inside", "enclosing", "band", "triangle", "u", "round the corner", "around"),
        *("along", "parts", "none"),
    ],
)
def test_hand_worked_boxes(polygons: list[np.ndarray], expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(visible_box(polygons, 10, 20), expected, atol=2e-3)


COORDINATES = st.floats(0, 40).map(lambda value: round(value, 2))
POLYGON = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=8)


@given(st.lists(POLYGON, min_size=1, max_size=3))
@examples(60)
def test_pixels_are_those_of_pycocotools(polygons: list[list[tuple[float, float]]]) -> None:
    mask = np.zeros((36, 30), dtype=bool)
    fill_polygons(mask, [np.array(polygon) for polygon in polygons])
    flat = [np.array(polygon).ravel().tolist() for polygon in polygons]
    expected = coco.decode(coco.merge(coco.frPyObjects(flat, 36, 30)))
    assert np.count_nonzero(mask != expected.astype(bool)) <= 1  # a tie of the rounding


def test_what_lies_outside_is_cut_off() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    fill_polygons(mask, [rectangle(-3, 2, 3, 20), rectangle(50, 50, 60, 60)])
    expected = np.zeros((6, 8), dtype=bool)
    expected[2:, :3] = True
    np.testing.assert_array_equal(mask, expected)


def test_points_and_lines_have_no_pixels() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    fill_polygons(mask, [points((1, 1)), points((1, 1), (5, 5))])
    fill_polygons(mask, [])
    assert not mask.any()
