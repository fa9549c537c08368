"""All segments at once are what they are one by one."""

import json
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_segments import categories, entry, image_row, scene

from vision.annotations.coco_tables import find_tables
from vision.annotations.panoptic import read_annotations, read_predictions, read_tables
from vision.annotations.panoptic_columns import has_text_ids
from vision.errors import DataError


def contents(numbers: list[Any]) -> dict[str, Any]:
    scenes = [scene(place) for place in range(len(numbers))]
    rows = zip(numbers, scenes, strict=True)
    return {
        "images": [image_row(n, f"{n}.jpg", ids) for n, (ids, _) in rows],
        "annotations": [
            entry(n, f"{n}.png", segments) for n, (_, segments) in zip(numbers, scenes, strict=True)
        ],
        "categories": categories(),
    }


def test_a_problem_leaves_the_other_segments_as_they_are() -> None:
    given = contents([9, 3, 12])
    problems: list[str] = []
    good = read_tables(given, "f", problems).segments
    assert problems == []
    assert good.images.tolist() == [9, 3, 12]
    assert good.crowd.sum() > 0
    for place in range(3):
        expected = scene(place)[1]
        own = slice(*good.starts[place : place + 2])
        np.testing.assert_array_equal(good.ids[own], expected.ids)
        np.testing.assert_array_equal(good.labels[own], expected.labels)
        np.testing.assert_array_equal(good.crowd[own], expected.crowd)
    removed = given["annotations"][1]["segments_info"][2]
    kept = json.loads(json.dumps(given))
    removed["category_id"] = 4
    damaged = read_tables(given, "f", problems).segments
    assert len(problems) == 1
    assert f"image 3, segment {removed['id']}: its category_id 4 is not" in problems[0]
    assert damaged.listed.tolist() == good.listed.tolist()
    del kept["annotations"][1]["segments_info"][2]
    without = read_tables(kept, "f", []).segments
    for name in ("starts", "ids", "labels", "crowd"):
        np.testing.assert_array_equal(getattr(damaged, name), getattr(without, name))


def test_flags_may_be_words_and_ids_floats() -> None:
    given = contents([1])
    plain = read_tables(given, "f", []).segments
    for row in given["annotations"][0]["segments_info"]:
        row |= {"iscrowd": bool(row["iscrowd"]), "id": float(row["id"])}
    problems: list[str] = []
    again = read_tables(given, "f", problems).segments
    assert problems == []
    for name in ("ids", "labels", "crowd"):
        np.testing.assert_array_equal(getattr(again, name), getattr(plain, name))


def test_ids_of_images_may_be_texts_as_in_cityscapes() -> None:
    given = contents(["ulm_000001_000019", "bonn_000000_000019"])
    truth = read_annotations(given, "f")
    assert [*truth.images] == ["ulm_000001_000019", "bonn_000000_000019"]
    assert truth.images["bonn_000000_000019"].size == (40, 56)
    found = read_predictions({"annotations": given["annotations"][::-1]}, truth, "p")
    assert [*found] == [*truth.images]
    with refuses(DataError, "bonn_000000_000019", "no prediction"):
        read_predictions({"annotations": given["annotations"][:1]}, truth, "p")
    given["annotations"][0]["image_id"] = "ulm"
    with refuses(DataError, "image ulm", "not listed in 'images'"):
        read_annotations(given, "f")


@pytest.mark.parametrize(
    ("ids", "expected"),
    [([1, 2], False), (["1", "2"], False), (["a", 2], False), (["a", "2"], True), ([], False)],
)
def test_only_files_without_numbers_have_texts(ids: list[Any], expected: bool) -> None:
    given = {"images": [{"id": one} for one in ids], "annotations": [], "categories": []}
    assert has_text_ids(find_tables(given, "f")) is expected
