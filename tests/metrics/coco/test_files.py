import copy
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.random_coco import random_case
from helpers.refusals import refuses

from vision.errors import DataError
from vision.metrics.coco.files import (
    read_json,
    read_truth,
    write_categories,
    write_json,
    write_results,
)
from vision.metrics.coco.results import has_masks, read_results


def test_results_are_written_one_per_line_and_lose_no_bit(tmp_path: Path) -> None:
    path = tmp_path / "new" / "found.json"
    numbers = np.random.default_rng(0).random(50).astype(np.float32).astype(float).tolist()
    results = [{"image_id": i, "score": number} for i, number in enumerate(numbers)]
    assert write_results(iter(results), path) == 50
    assert json.loads(path.read_text()) == results
    assert len(path.read_text().splitlines()) == 52
    assert write_results([], path) == 0
    assert json.loads(path.read_text()) == []


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    write_json({"old": 1}, path)

    def failing() -> object:
        yield {"image_id": 1}
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_results(failing(), path)  # type: ignore[arg-type]
    assert read_json(path) == {"old": 1}


def test_categories_are_a_table(tmp_path: Path) -> None:
    path = tmp_path / "new" / "categories.csv"
    write_categories([{"id": 3, "name": "a, b", "box_AP": 0.1}], path)
    assert path.read_text().splitlines() == ["id,name,box_AP", '3,"a, b",0.1']


def test_the_first_result_decides_about_masks() -> None:
    assert has_masks([{"segmentation": {}}, {}])
    assert not has_masks([{}, {"segmentation": {}}])
    assert not has_masks([])
    assert not has_masks({"segmentation": {}})


def test_only_the_images_that_are_wanted_are_read() -> None:
    truth, results = random_case(3, images=6)
    before = copy.deepcopy(truth)
    ids = sorted(image["id"] for image in truth["images"])[1:4]
    ready = read_truth(truth, image_ids=ids[::-1], masks=True)
    assert truth == before
    assert ready.image_ids == ids
    assert len(ready.sizes) == 6
    expected = [one for one in truth["annotations"] if one["image_id"] in ids]
    assert [one["area"] for one in ready.contents["annotations"]] == [
        one["area"] for one in expected
    ]
    found = read_results(results, ready, where="here", masks=True)
    # Numbered as in the file, which breaks ties.
    assert [one["id"] for one in found] == [
        i + 1 for i, one in enumerate(results) if one["image_id"] in ids
    ]
    for one in found:
        assert one["area"] == one["bbox"][2] * one["bbox"][3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"categories": []}, ("categories", "absent", "empty")),
        ({"images": [{"id": "one"}]}, ("'id'", "'one'")),
        ({"categories": [{"name": "cat"}]}, ("categories", "[0]", "'id'")),
        ({"images": None}, ("'images'", "ground")),
        ({"annotations": [{"id": 1}]}, ("[0]", "1", "'image_id'")),
        ({"annotations": [3]}, ("annotations", "[0]", "3", "object")),
    ],
)
def test_what_is_no_ground_truth_is_refused(change: dict, message: tuple[str, ...]) -> None:
    truth, _ = random_case(3)
    with refuses(DataError, *message):
        read_truth({**truth, **change})


def test_masks_need_the_size_of_their_image() -> None:
    truth, _ = random_case(3)
    for image in truth["images"]:
        del image["height"]
    read_truth(truth)
    with refuses(DataError, "'height'", "'width'"):
        read_truth(truth, masks=True)
