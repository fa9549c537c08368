from pathlib import Path

import numpy as np
import pytest

from vision.data.index.builder import IndexBuilder, polygon_area

FOLDER = Path("/data/set")
SQUARE = np.array([[1.0, 1], [5, 1], [5, 4], [1, 4]])


def builder() -> IndexBuilder:
    return IndexBuilder(FOLDER, ("ant", "bee"), (1, 2))


def test_images_and_objects_are_numbered_from_one() -> None:
    build = builder()
    build.add("/data/set/a/1.jpg", (10, 20), labels=np.array([1, 0]), boxes=np.ones((2, 4)))
    build.add("/data/set/2.jpg", (0, 0), labels=np.array([], dtype=int), boxes=np.ones((0, 4)))
    build.add(
        "/elsewhere/3.jpg",
        (30, 40),
        labels=np.array([1]),
        boxes=np.array([[1, 2, 4, 8]]),
        crowd=np.array([True]),
    )
    index = build.build()
    assert list(index.paths) == ["a/1.jpg", "2.jpg", "/elsewhere/3.jpg"]
    assert index.path(2) == Path("/elsewhere/3.jpg")
    assert index.image_ids.tolist() == [1, 2, 3]
    assert index.annotation_ids.tolist() == [1, 2, 3]
    assert index.starts.tolist() == [0, 2, 2, 3]
    assert index.crowd.tolist() == [False, False, True]
    assert index.areas.tolist() == [0, 0, 18]
    types = (index.boxes, index.labels, index.areas, index.sizes, index.category_ids)
    assert [array.dtype.name for array in types] == [
        *("float32", "int32", "float32", "int32", "int64")
    ]
    assert not index.has_masks
    assert index.segments.get(0) is None


def test_outlines_count_only_if_every_object_has_one() -> None:
    for others, has_masks in (([SQUARE], True), ([None], False)):
        build = builder()
        boxes = np.array([[1, 1, 5, 4]] * 2)
        polygons = [SQUARE, *others]
        build.add("x.jpg", (9, 9), labels=np.array([0, 0]), boxes=boxes, polygons=polygons)
        index = build.build()
        assert index.has_masks == has_masks
        assert build.outlined == 1 + has_masks
        assert (index.segments.get(0) is not None) == has_masks
        assert index.areas.tolist() == [12, 12]


def test_nothing_at_all() -> None:
    index = builder().build()
    assert len(index) == len(index.boxes) == 0
    assert not index.has_masks


def test_areas_of_polygons() -> None:
    assert polygon_area(SQUARE) == 12
    assert polygon_area(SQUARE[::-1] + 1e6) == 12  # the other way round, far from zero
    assert polygon_area(np.array([[0.0, 0], [4, 0], [0, 3]])) == 6
    assert polygon_area(np.array([[0.0, 0], [1, 1], [2, 2]])) == pytest.approx(0)
