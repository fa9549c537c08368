import re
from typing import Any

import numpy as np
import pytest
from helpers.tiny_coco import uncompressed_counts
from pycocotools import mask as coco_mask

from vision.annotations.outlines import (
    MAX_COORDINATE,
    Outlines,
    outline_fault,
    read_outlines,
    to_run_lengths,
)

SIZE = (20, 30)
POLYGON = [1.5, 2, 9, 2, 9, 8.25]


def read(*segmentations: Any) -> tuple[Outlines, dict[int, str]]:
    return read_outlines(segmentations, np.tile(SIZE, (len(segmentations), 1)))


def test_both_forms_of_run_lengths_are_the_mask() -> None:
    mask = np.random.default_rng(0).random(SIZE) < 0.3
    runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": [*SIZE], "counts": runs["counts"].decode()}
    plain = {"size": [20.0, 30], "counts": uncompressed_counts(mask)}
    outlines, faults = read(text, None, plain, [POLYGON])
    assert faults == {}
    assert outlines.run_rows.tolist() == [0, 2]
    assert outlines.run_texts == [runs["counts"]] * 2
    assert outlines.numbers.tolist() == POLYGON
    assert np.diff(outlines.row_starts).tolist() == [0, 0, 0, 1]
    for one in (text, plain):
        assert (coco_mask.decode(to_run_lengths(one, *SIZE)) == mask).all()


def test_polygons_are_drawn_as_pycocotools_draws_them() -> None:
    parts = [[3, 2, 6, 2, 6, 6, 3, 6], [6, 2, 9, 2, 9, 6, 6, 6]]
    mask = np.zeros(SIZE, dtype=bool)
    mask[2:6, 3:9] = True
    assert (coco_mask.decode(to_run_lengths(parts, *SIZE)) == mask).all()


def test_no_objects() -> None:
    outlines, faults = read()
    assert (outlines.row_starts.tolist(), faults) == ([0], {})


ENDLESS = [x for i in range(600) for x in (i % 2 * 1000, i)]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3, 4]], "a polygon has 2 points, expected x and y of 3 points or more"),
        ([POLYGON, []], "a polygon has 0 points"),
        ([[*POLYGON, 7]], r"an odd count of numbers \(7\)"),
        ([[*POLYGON[:5], float("nan")]], "a polygon has the coordinate nan"),
        ([[*POLYGON[:5], float("inf")]], "a polygon has the coordinate inf"),
        ([[*POLYGON[:5], 10**400]], "a polygon has the coordinate inf"),
        ([[*POLYGON[:5], -1e9]], "a polygon has the coordinate -1e.09, expected pixels"),
        ([[*POLYGON[:5], MAX_COORDINATE]], "a polygon is 2,000,004 pixels long, expected at most"),
        ([[*ENDLESS, *ENDLESS]], "a polygon is 1,200,000 pixels long"),
        (POLYGON, r"the segmentation is \[1.5, 2, 9.*expected a list of polygons"),
        ([[*POLYGON[:5], "x"]], "expected a list of polygons"),
        ([[*POLYGON[:5], "1"]], "expected a list of polygons"),  # float() would take it
        ([[*POLYGON[:5], True]], "expected a list of polygons"),
        (["123456"], "expected a list of polygons"),
        ([[*POLYGON[:5], None]], "expected a list of polygons"),
        (7, "the segmentation is 7"),
        ("", "the segmentation is ''"),
        ({}, r"the segmentation is \{\}"),
        ({"size": [30, 20], "counts": [600]}, r"size \[30, 20\], its image \[20, 30\] \(height"),
        ({"size": ["20", 30], "counts": [600]}, r"the mask has the size \['20', 30\]"),
        ({"size": 600, "counts": [600]}, "the mask has the size 600"),
        ({"counts": [600]}, r"the segmentation is \{'counts': \[600\]\}"),
        ({"size": [*SIZE], "counts": [300, 200]}, "sum to 500, expected 20 x 30 = 600"),
        ({"size": [*SIZE], "counts": [700, -100]}, "expected a list of whole numbers"),
        ({"size": [*SIZE], "counts": [0.5]}, "expected a list of whole numbers"),
        ({"size": [*SIZE], "counts": [True, 599]}, "expected a list of whole numbers"),
        # Their sum is 600 in 64 bits.
        ({"size": [*SIZE], "counts": [2**62] * 4 + [600]}, "expected a list of whole numbers"),
        ({"size": [*SIZE], "counts": []}, "expected a list of whole numbers"),
        ({"size": [*SIZE]}, "expected a list of polygons"),
        ({"size": [*SIZE], "counts": "Pä"}, "expected a list of whole numbers"),
        ({"size": [*SIZE], "counts": "PP"}, "damaged or do not cover its 600 pixels"),
        ({"size": [*SIZE], "counts": "4"}, "damaged or do not cover"),
        ({"size": [*SIZE], "counts": ""}, "damaged or do not cover"),
    ],
)
def test_a_wrong_segmentation_is_told_by_its_row(segmentation: Any, message: str) -> None:
    outlines, faults = read([POLYGON], segmentation, None)
    assert [*faults] == [1]
    assert outlines.numbers.tolist() == POLYGON
    assert len(outlines.run_rows) == len(outlines.run_texts) == 0
    assert re.search(message, faults[1]), faults
    assert re.search(message, outline_fault(segmentation, *SIZE) or "")


def test_all_wrong_segmentations_are_told() -> None:
    assert sorted(read([[1, 2]], "x", {}, [POLYGON], 5)[1]) == [0, 1, 2, 4]
