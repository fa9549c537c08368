"""Lines of pictures, read back from the pixels."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from shapely import LineString, box

from vision.draw.strokes import Stroke, clip_line, draw_line


def drawn(start: tuple, end: tuple, stroke: Stroke) -> np.ndarray:
    picture = Image.new("L", (40, 20))
    ends = np.array(start, float), np.array(end, float)
    draw_line(ImageDraw.Draw(picture), ends, 255, stroke, size=(40, 20))  # type: ignore[arg-type]
    return np.asarray(picture) > 0


def test_what_lies_in_the_picture_is_the_intersection() -> None:
    rng = np.random.default_rng(0)
    ends = rng.uniform(-30, 60, (200, 2, 2))
    ends[:20, 1, 0] = ends[:20, 0, 0]  # upright
    ends[20:40, 1, 1] = ends[20:40, 0, 1]  # level
    for start, end in ends:
        inside = clip_line(start, end, (40, 20))
        expected = LineString([start, end]).intersection(box(0, 0, 40, 20))
        assert (inside is None) == expected.is_empty
        if inside is not None:
            np.testing.assert_allclose(np.ravel(inside), np.ravel(expected.coords), atol=1e-9)


@pytest.mark.parametrize("far", [1e3, 1e12])
def test_a_line_from_far_outside_is_drawn_where_it_passes(far: float) -> None:
    seen = drawn((-far, 10), (far, 10), Stroke(1))
    assert seen[10].all()
    assert seen.sum() == 40
    assert not drawn((-far, 10), (np.nan, 10), Stroke(1)).any()


def test_dashes_begin_and_end_at_the_ends() -> None:
    row = drawn((2, 5), (37, 5), Stroke(1, dash=4))[5]
    assert row[2]
    assert row[37]
    runs = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    lengths = runs[1::2] - runs[::2]
    assert len(lengths) == 5
    assert ((lengths >= 4) & (lengths <= 5)).all()
    # Shorter than a dash: whole.
    assert drawn((2, 5), (4, 5), Stroke(1, dash=4)).sum() == 3
