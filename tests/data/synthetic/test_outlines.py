"""Outlines and run lengths, judged by pycocotools and by hand."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from vision.data.synthetic.outlines import (
    extent,
    fill_outlines,
    run_lengths,
    signed_area,
    trace_outlines,
    trace_pixels,
)


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def test_a_rectangle_is_traced_along_the_edges_of_its_pixels() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:13, 5:25] = True
    [outline] = trace_outlines(mask)
    assert outline.min(axis=0).tolist() == [5, 3]
    assert outline.max(axis=0).tolist() == [25, 13]
    # Each corner is cut by a triangle of half a pixel a side.
    assert signed_area(outline) == 20 * 10 - 4 * 0.125
    assert np.array_equal(fill_outlines([outline], 20, 30), mask)
    assert extent(mask) == (3, 5, 13, 25)


def test_parts_are_traced_apart_and_holes_and_crumbs_passed_over() -> None:
    ring = disc(60, 80, 20, 30, 15) & ~disc(60, 80, 20, 30, 6)
    mask = ring | disc(60, 80, 60, 30, 9)
    mask[0, 0] = True
    outlines = trace_outlines(mask)
    assert len(outlines) == 2
    expected = disc(60, 80, 20, 30, 15) | disc(60, 80, 60, 30, 9)
    filled = fill_outlines(outlines, 60, 80)
    assert (filled & expected).sum() / (filled | expected).sum() > 0.97
    assert trace_outlines(np.zeros((5, 5), bool)) == []
    assert not fill_outlines([], 5, 5).any()


def test_few_points_are_left_and_the_exact_outline_has_all() -> None:
    mask = disc(100, 100, 50, 50, 30)
    [simple], [exact] = trace_outlines(mask), trace_outlines(mask, exact=True)
    assert len(simple) < 0.4 * len(exact)
    assert abs(signed_area(simple) / signed_area(exact) - 1) < 0.02
    assert np.array_equal(fill_outlines([exact], 100, 100), mask)


def test_run_lengths_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(0)
    for share in (0, 0.1, 0.6, 1):
        mask = rng.random((13, 17)) < share
        counts = {"counts": run_lengths(mask), "size": [13, 17]}
        packed = coco_mask.frPyObjects(counts, 13, 17)
        assert packed["counts"] == coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"]
    corner = np.zeros((2, 2), bool)
    corner[0] = True
    assert run_lengths(corner) == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_polygons_through_the_pixels_give_the_mask_when_drawn(share: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((11, 14)) < share
        picture = Image.new("1", (14, 11))
        for polygon in trace_pixels(mask):
            assert polygon.dtype == np.int64
            assert len(polygon) >= 3
            ImageDraw.Draw(picture).polygon([(x, y) for x, y in polygon.tolist()], fill=1)
        assert np.array_equal(np.asarray(picture), mask)


def test_pixels_of_a_rectangle_and_of_a_ring() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:13, 5:25] = True
    [polygon] = trace_pixels(mask)
    assert sorted(polygon.tolist()) == [[5, 3], [5, 12], [24, 3], [24, 12]]
    mask[6:9, 10:15] = False
    # No polygon has a hole: the ring is cut through its hole.
    assert len(trace_pixels(mask)) == 2
