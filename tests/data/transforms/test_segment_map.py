import numpy as np
import pytest
from helpers.refusals import refuses

from vision.annotations.panoptic import Segments
from vision.data.transforms.segment_map import (
    SegmentMap,
    drop_unseen,
    join_stuff,
    labelled_pixels,
    number_segments,
    segment_infos,
)
from vision.errors import DataError

THINGS = np.array([True, False, False])


def make(ids: list[list[int]], rows: list[tuple[int, int, bool]]) -> SegmentMap:
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    numbers, labels, crowd = (np.array(part) for part in columns)
    return SegmentMap(
        np.array(ids),
        Segments(numbers.astype(np.int64), labels.astype(np.int64), crowd.astype(bool)),
    )


def test_segments_are_numbered_in_their_order_and_others_are_void() -> None:
    given = make([[900, 900, 7], [0, 5, 33]], [(33, 0, False), (900, 1, False), (7, 0, True)])
    numbered = number_segments(given)
    assert numbered.ids.tolist() == [[2, 2, 3], [0, 0, 1]]
    assert numbered.ids.dtype == np.uint16
    assert numbered.segments.ids.tolist() == [1, 2, 3]
    assert numbered.segments.labels.tolist() == [0, 1, 0]
    assert number_segments(make([[4, 0]], [])).ids.tolist() == [[0, 0]]


def test_numbers_are_those_of_a_search_through_random_maps() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 9, 400):
        ids = rng.choice(2**24, count, replace=False).astype(np.int32)
        picture = rng.choice(np.append(ids, 0), (30, 41)).repeat(2, 1)
        segments = Segments(ids.astype(np.int64), np.zeros(count, int), np.zeros(count, bool))
        expected = np.zeros(picture.shape, int)
        for place, one in enumerate(ids):
            expected[picture == one] = place + 1 if one else 0
        np.testing.assert_array_equal(number_segments(SegmentMap(picture, segments)).ids, expected)


def test_too_many_segments_are_refused() -> None:
    count = 2**16
    many = Segments(np.arange(1, count + 1), np.zeros(count, int), np.zeros(count, bool))
    with refuses(DataError, "65,536 segments", "65,535"):
        number_segments(SegmentMap(np.zeros((2, 2), np.int32), many))


def test_stuff_of_a_class_is_one_segment_and_crowds_are_not() -> None:
    rows = [(1, 1, False), (2, 0, False), (3, 1, False), (4, 0, False), (5, 2, False), (6, 1, True)]
    joined = join_stuff(make([[1, 2, 3, 4, 5, 6, 0]], rows), THINGS)
    assert joined.ids.tolist() == [[1, 2, 1, 3, 4, 5, 0]]
    assert joined.segments.labels.tolist() == [1, 0, 0, 2, 1]
    assert joined.segments.crowd.tolist() == [False] * 4 + [True]


def test_unseen_segments_are_dropped() -> None:
    rows = [(1, 1, False), (2, 0, False), (3, 2, True)]
    left = drop_unseen(make([[3, 0, 1]], rows))
    assert left.ids.tolist() == [[2, 0, 1]]
    assert (left.segments.ids.tolist(), left.segments.labels.tolist()) == ([1, 2], [1, 2])
    assert len(drop_unseen(make([[0]], rows)).segments.ids) == 0


@pytest.mark.parametrize(("step", "expected"), [(1, 3), (2, 2), (4, 1)])
def test_labelled_pixels_are_counted_on_a_grid(step: int, expected: int) -> None:
    ids = [[1, 0, 1, 0, 2], [1, 0, 0, 0, 0]]
    assert labelled_pixels(make(ids, [(1, 0, False), (2, 0, True)]), step) == expected


def test_batches_list_what_a_segment_is() -> None:
    given = make([[0]], [(4, 0, True), (9, 2, False)])
    assert segment_infos(given.segments, THINGS) == [
        {"id": 4, "category_id": 0, "isthing": True, "iscrowd": True},
        {"id": 9, "category_id": 2, "isthing": False, "iscrowd": False},
    ]
