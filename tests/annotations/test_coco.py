"""The judge of COCO files: what it reads, worked by hand; what it refuses is in the tables."""

from typing import Any

import numpy as np
import pytest

from vision.annotations.coco import CocoFile, judge
from vision.annotations.coco_tables import find_tables

SQUARE = [[2, 1, 6, 1, 6, 4, 2, 4]]  # 4 x 3 pixels
RUNS = {"size": [10, 20], "counts": [0, 7, 193]}


def contents() -> dict[str, Any]:
    return {
        "images": [
            {"id": 9, "file_name": "b.jpg", "height": 10, "width": 20},
            {"id": "4", "file_name": "a.jpg", "height": 10.0, "width": 20},
        ],
        "categories": [{"id": 8, "name": "dog"}, {"id": 2.0, "name": "cat"}],
        "annotations": [
            {"id": 5, "image_id": 9, "category_id": 2, "bbox": [1, 2, 3, 4], "area": 7.5},
            {"id": 3, "image_id": 9, "category_id": "8", "bbox": [2, 1, 9, 9], "iscrowd": True},
            {"id": 1, "image_id": 4, "category_id": 8, "bbox": [0, 0, -3, 9], "area": None},
        ],
    }


def read(changed: dict[str, Any], **options: bool) -> CocoFile:
    problems: list[str] = []
    file = judge(find_tables(changed, "here"), problems, **options)
    assert problems == []
    return file


def test_images_and_categories_come_by_their_ids() -> None:
    file = read(contents())
    assert file.images.ids.tolist() == [4, 9]
    assert file.images.names == ["a.jpg", "b.jpg"]
    assert file.images.sizes.tolist() == [[10, 20]] * 2
    assert file.categories.ids.tolist() == [2, 8]
    assert file.categories.names == ["cat", "dog"]


@pytest.mark.parametrize(("grouped", "ids"), [(False, [5, 3, 1]), (True, [1, 3, 5])])
def test_objects_come_as_in_the_file_or_by_image(grouped: bool, ids: list[int]) -> None:
    objects = read(contents(), grouped=grouped).objects
    assert objects.ids.tolist() == ids
    at = [ids.index(number) for number in (5, 3, 1)]
    assert objects.images[at].tolist() == [1, 1, 0]
    assert objects.labels[at].tolist() == [0, 1, 1]
    assert objects.crowd[at].tolist() == [False, True, False]
    np.testing.assert_array_equal(objects.boxes[at[0]], [1, 2, 3, 4])
    # Stated; the area of the box; the area of a box without extent.
    assert objects.areas[at].tolist() == [7.5, 81, 0]


def test_an_area_that_is_not_stated_is_that_of_the_mask() -> None:
    changed = contents()
    for row, segmentation in enumerate((SQUARE, RUNS, [])):
        changed["annotations"][row] |= {"area": None, "segmentation": segmentation}
    objects = read(changed).objects
    assert objects.areas.tolist() == [12, 7, 0]
    assert objects.segmentations == [SQUARE, RUNS, None]
    assert objects.outlines.numbers.tolist() == SQUARE[0]
    assert objects.outlines.run_rows.tolist() == [1]


def test_an_evaluation_needs_neither_names_nor_sizes() -> None:
    changed = contents()
    for image in changed["images"]:
        del image["file_name"], image["height"]
    assert read(changed, files=False).images.sizes.tolist() == [[0, 0]] * 2
    problems: list[str] = []
    judge(find_tables(changed, "here"), problems)
    assert problems[0] == "images[0] (id 9) has no 'height'"


def test_every_problem_is_listed_and_the_sound_entries_are_read() -> None:
    changed = contents()
    changed["annotations"][0]["category_id"] = 99
    changed["annotations"][1]["bbox"] = "x"
    problems: list[str] = []
    objects = judge(find_tables(changed, "here"), problems).objects
    assert problems == [
        "annotation 5 (image 9): its category_id 99 is not listed in 'categories'",
        "annotation 3 (image 9): 'bbox' is 'x', expected [x, y, width, height]",
    ]
    assert objects.ids.tolist() == [3, 1]


def test_nothing_but_images() -> None:
    file = read({"images": contents()["images"]})
    assert len(file.objects.ids) == len(file.categories.ids) == 0
    assert file.objects.boxes.shape == (0, 4)
