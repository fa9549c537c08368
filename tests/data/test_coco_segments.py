import re
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from tiny_coco import uncompressed_counts

from vision.data.coco_segments import pack_segmentations
from vision.data.segments import Segments

SIZE = (20, 30)
POLYGON = [1.5, 2, 9, 2, 9, 8.25]


def pack(*segmentations: Any) -> tuple[Segments, list[str]]:
    problems: list[str] = []
    sizes = np.tile(SIZE, (len(segmentations), 1))
    segments = pack_segmentations(
        list(segmentations), sizes, lambda row: f"annotation {row}", problems
    )
    return segments, problems


def test_both_forms_of_run_lengths_are_the_mask() -> None:
    mask = np.random.default_rng(0).random(SIZE) < 0.3
    runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": [*SIZE], "counts": runs["counts"].decode()}
    plain = {"size": [*SIZE], "counts": uncompressed_counts(mask)}
    segments, problems = pack(text, None, plain, [POLYGON])
    assert problems == []
    for row in (0, 2):
        assert segments.get(row) == {"size": [*SIZE], "counts": runs["counts"]}
    assert segments.get(1) is None
    assert segments.get(3)[0].ravel().tolist() == POLYGON


def test_no_objects() -> None:
    segments, problems = pack()
    assert (len(segments), problems) == (0, [])


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3, 4]], "a polygon has 2 points, expected x and y of 3 points or more"),
        ([POLYGON, []], "a polygon has 0 points"),
        ([[*POLYGON, 7]], r"an odd count of numbers \(7\)"),
        ([[*POLYGON[:5], float("nan")]], "a polygon has the coordinate nan"),
        ([[*POLYGON[:5], float("inf")]], "a polygon has the coordinate inf"),
        (POLYGON, r"the segmentation is \[1.5, 2, 9.*expected a list of polygons"),
        ([[*POLYGON[:5], "x"]], "expected a list of polygons"),
        ([[*POLYGON[:5], None]], "a polygon has the coordinate nan"),  # null
        (7, "the segmentation is 7"),
        ({"size": [30, 20], "counts": [600]}, r"size \[30, 20\], its image \[20, 30\] \(height"),
        ({"counts": [600]}, r"the mask has the size None"),
        ({"size": [*SIZE], "counts": [300, 200]}, "sum to 500, expected 20 x 30 = 600"),
        ({"size": [*SIZE], "counts": [700, -100]}, "expected a list of whole numbers"),
        ({"size": [*SIZE], "counts": [0.5]}, "expected a list of whole numbers"),
        ({"size": [*SIZE], "counts": []}, "expected a list of whole numbers"),
        ({"size": [*SIZE]}, r"\('counts'\) are None"),
        ({"size": [*SIZE], "counts": "Pä"}, "compressed run lengths are damaged"),
        ({"size": [*SIZE], "counts": "PP"}, "damaged: it breaks off"),
        ({"size": [*SIZE], "counts": "4"}, "sum to 4, expected"),
    ],
)
def test_a_wrong_segmentation_is_told_with_its_annotation(segmentation: Any, message: str) -> None:
    _, problems = pack([POLYGON], segmentation, None)
    (problem,) = problems
    assert problem.startswith("annotation 1: ")
    assert re.search(message, problem), problem


def test_all_wrong_segmentations_are_told() -> None:
    _, problems = pack([[1, 2]], "x", {}, [POLYGON], 5)
    assert sorted(problem[:12] for problem in problems) == [f"annotation {i}" for i in (0, 1, 2, 4)]
