import pickle

import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from vision.data.index.segments import Segments

SQUARE = np.array([[1.25, 2.5], [7.1, 2.5], [7.1, 9.9], [1.25, 9.9]])
TRIANGLE = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])


def runs_of(mask: np.ndarray) -> dict:
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))


def test_outlines_come_back_as_they_went_in() -> None:
    runs = runs_of(np.eye(5))
    outlines = [
        None,
        [SQUARE],
        runs,
        [SQUARE.ravel().tolist(), TRIANGLE],
        None,
        runs_of(np.ones(9)[:, None]),
    ]
    segments = Segments.of(outlines)
    assert len(segments) == 6
    assert segments.get(0) is None
    assert segments.get(4) is None
    np.testing.assert_array_equal(segments.get(1), [SQUARE])
    two = segments.get(3)
    np.testing.assert_array_equal(two[0], SQUARE)
    np.testing.assert_array_equal(two[1], TRIANGLE)
    assert segments.get(2) == {"size": [5, 5], "counts": runs["counts"]}
    assert segments.get(-1)["size"] == [9, 1]
    with pytest.raises(IndexError):
        segments.get(6)


def test_there_may_be_no_outlines_and_no_objects() -> None:
    assert len(Segments.of([])) == 0
    assert [Segments.empty(3).get(row) for row in range(3)] == [None] * 3


def test_numbers_with_two_decimals_survive_float32() -> None:
    numbers = np.round(np.random.default_rng(0).uniform(0, 2000, (50_000, 2)), 2)
    (kept,) = Segments.of([[numbers]]).get(0)
    np.testing.assert_array_equal(kept, numbers)


@given(st.integers(0, 10_000))
@examples(50)
def test_masks_of_polygons_are_those_of_pycocotools(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Multiples of a tenth: just where pycocotools rounds, at a fifth of a pixel.
    polygon = (generator.integers(0, 600, (8, 2)) / 10).round(1)
    (kept,) = Segments.of([[polygon]]).get(0)
    ours, theirs = (
        coco_mask.decode(coco_mask.frPyObjects([points.ravel().tolist()], 60, 60))
        for points in (kept, polygon)
    )
    np.testing.assert_array_equal(ours, theirs)


def test_some_of_the_outlines_are_taken_in_order() -> None:
    runs = runs_of(np.eye(5))
    segments = Segments.of([None, [SQUARE, TRIANGLE], runs, [TRIANGLE], runs_of(np.eye(3))])
    some = segments.where(np.array([False, False, True, True, True]))
    assert len(some) == 3
    assert some.get(0) == segments.get(2)
    np.testing.assert_array_equal(some.get(1), [TRIANGLE])
    assert some.get(2) == segments.get(4)
    assert len(segments.where(np.zeros(5, dtype=bool))) == 0


def test_arrays_make_the_same_segments_again() -> None:
    segments = Segments.of([[SQUARE], None, runs_of(np.eye(4))])
    for other in (Segments(**segments.arrays()), pickle.loads(pickle.dumps(segments))):
        np.testing.assert_array_equal(other.get(0), [SQUARE])
        assert other.get(1) is None
        assert other.get(2) == segments.get(2)
