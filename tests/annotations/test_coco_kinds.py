"""Files that look like COCO's objects but hold something else, by the fields of the real ones."""

from typing import Any

import pytest
from helpers.refusals import refuses

from vision.annotations.coco_kinds import (
    has_keypoints,
    kind_of,
    require_federation,
    require_kind,
    require_objects,
)
from vision.annotations.coco_tables import Tables
from vision.errors import DataError

IMAGE = {"id": 1, "file_name": "a.jpg", "height": 4, "width": 4}
OBJECT = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
CATEGORY = {"id": 1, "name": "person"}


def tables(annotation: Any, image: Any = IMAGE, category: Any = CATEGORY) -> Tables:
    return Tables([image], [annotation], [category])


@pytest.mark.parametrize(
    ("annotation", "parts"),
    [
        (
            {"image_id": 1, "file_name": "a.png", "segments_info": []},
            ("f.json", "panoptic", "vision.data.COCOPanoptic", "instances_train2017.json"),
        ),
        ({"image_id": 1, "id": 3, "caption": "a cat"}, ("f.json", "captions", "no dataset")),
    ],
)
def test_files_without_objects_are_named(
    annotation: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with refuses(DataError, *parts):
        require_objects(tables(annotation), "'f.json'")


def test_a_file_without_anything_of_lvis() -> None:
    with refuses(DataError, "'f.json'", "'neg_category_ids'", "'frequency'", "evaluate coco"):
        require_federation(tables(OBJECT), "'f.json'")
    # What else it lacks is a list of problems.
    require_federation(tables(OBJECT, {**IMAGE, "neg_category_ids": []}), "'f.json'")
    require_federation(tables(OBJECT, category={**CATEGORY, "frequency": "r"}), "'f.json'")


def test_texts_for_the_ids_of_all_images_are_told_once() -> None:
    images = [{**IMAGE, "id": number} for number in ("000002b66c9c498e", "0123456789abcdef")]
    with refuses(DataError, "'f.json'", "'000002b66c9c498e'", "Open Images", "number the images"):
        require_objects(Tables(images, [], []), "'f.json'")
    # A single wrong id, and numbers as texts, are not this.
    require_objects(Tables([*images, IMAGE], [], []), "'f.json'")
    require_objects(Tables([{**IMAGE, "id": "12"}], [], []), "'f.json'")


@pytest.mark.parametrize("annotations", [None, [], [3], [OBJECT], [{**OBJECT, "caption": "a cat"}]])
def test_files_with_objects_or_without_any_entry_pass(annotations: Any) -> None:
    found = Tables([IMAGE], annotations, None)
    require_objects(found, "'f.json'")
    assert kind_of(found) == "objects"


def test_the_rules_of_another_dataset_are_named() -> None:
    lvis = kind_of(tables(OBJECT, {**IMAGE, "neg_category_ids": []}))
    assert lvis == "lvis"
    with refuses(DataError, "'f.json' is an LVIS file", "vision.data.LVIS"):
        require_kind(lvis, "objects", "'f.json'")
    with refuses(DataError, "'f.json' is not an LVIS file", "vision.data.COCO"):
        require_kind("objects", "lvis", "'f.json'")
    require_kind("lvis", "lvis", "'f.json'")


def test_keypoints_are_seen_in_objects_or_categories() -> None:
    assert has_keypoints(tables({**OBJECT, "keypoints": [0] * 51, "num_keypoints": 0}))
    assert has_keypoints(tables(OBJECT, category={**CATEGORY, "keypoints": ["nose"]}))
    assert not has_keypoints(tables(OBJECT))
