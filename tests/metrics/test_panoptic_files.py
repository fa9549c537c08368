import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.random_panoptic import random_scene, scores_of, write_ids, write_side
from helpers.refusals import refuses
from PIL import Image

from vision.errors import DataError, ImageError
from vision.metrics.panoptic_files import evaluate_panoptic

SCENES = [random_scene(seed) for seed in range(4)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """Contents of the JSON files of ground truth and predictions; their PNG files are written."""
    return {
        name: write_side(tmp_path / name, [getattr(scene, name) for scene in SCENES])
        for name in ("truth", "found")
    }


def evaluate(folder: Path, files: dict[str, Any], **options: Any) -> Any:
    for name, contents in files.items():
        (folder / f"{name}.json").write_text(json.dumps(contents))
    return evaluate_panoptic(folder / "truth.json", folder / "found.json", **options)


@pytest.mark.parametrize("workers", [0, 2])
def test_files_count_as_their_maps(tmp_path: Path, files: dict[str, Any], workers: int) -> None:
    del files["found"]["images"], files["found"]["categories"]
    files["found"]["annotations"].reverse()
    found = evaluate(tmp_path, files, workers=workers)
    assert found.to_json() == scores_of(SCENES).to_json()
    assert found.images == len(SCENES)


def test_ids_may_be_texts(tmp_path: Path, files: dict[str, Any]) -> None:
    for table in ("categories", "images"):
        for row in files["truth"][table]:
            row["id"] = str(row["id"])
    assert evaluate(tmp_path, files).to_json() == scores_of(SCENES).to_json()


def test_folders_may_be_elsewhere(tmp_path: Path, files: dict[str, Any]) -> None:
    (tmp_path / "truth").rename(tmp_path / "png")
    with refuses(DataError, "truth'", "truth.json", "--annotation-images"):
        evaluate(tmp_path, files)
    assert evaluate(tmp_path, files, annotation_images=tmp_path / "png").images == len(SCENES)


@pytest.mark.parametrize("name", ["truth", "found"])
def test_png_and_json_have_the_same_segments(
    tmp_path: Path, files: dict[str, Any], name: str
) -> None:
    entries = files[name]["annotations"][1]["segments_info"]
    gone = entries.pop(0)
    with refuses(DataError, f"{name}/1.png", gone["id"], "image 1", "category_id", "void"):
        evaluate(tmp_path, files)
    entries += [gone, {"id": 77, "category_id": 0}]
    with refuses(DataError, f"{name}/1.png", "77", "image 1", "no pixel", "Remove"):
        evaluate(tmp_path, files)


def test_sizes_are_compared(tmp_path: Path, files: dict[str, Any]) -> None:
    write_ids(tmp_path / "found/2.png", SCENES[2].found.ids[:, :29])
    with refuses(DataError, "found/2.png", "24 x 29", "truth/2.png", "24 x 30", "nearest"):
        evaluate(tmp_path, files)
    write_ids(tmp_path / "truth/2.png", SCENES[2].truth.ids[:, :29])
    with refuses(DataError, "truth/2.png", "24 x 29", "image 2", "24 x 30"):
        evaluate(tmp_path, files)
    files["truth"]["images"][2] = {"id": 2}  # which states no size
    for scene in ("truth", "found"):
        seen = np.unique(getattr(SCENES[2], scene).ids[:, :29])
        one = files[scene]["annotations"][2]
        one["segments_info"] = [s for s in one["segments_info"] if s["id"] in seen]
    assert evaluate(tmp_path, files).images == len(SCENES)


def test_images_are_those_of_the_annotations(tmp_path: Path, files: dict[str, Any]) -> None:
    last = files["found"]["annotations"].pop()
    with refuses(DataError, "1 of 4 images", "found.json", "image 3", "predict those too"):
        evaluate(tmp_path, files)
    other = {**files, "found": {"annotations": [{**last, "image_id": 9}]}}
    with refuses(DataError, "4 of 4 images", "with its numbers", "--annotations FILE", "not 9"):
        evaluate(tmp_path, other)
    files["found"]["annotations"] += [last, {**last, "image_id": 9}]
    with refuses(DataError, "1 of 5 predictions", "truth.json", "image 9", "split"):
        evaluate(tmp_path, files)


def test_files_that_cannot_be_read_are_named(tmp_path: Path, files: dict[str, Any]) -> None:
    path = tmp_path / "found/0.png"
    Image.new("L", (30, 24)).save(path)
    with refuses(DataError, "found/0.png", "grey", "R + 256 G"):
        evaluate(tmp_path, files)
    path.write_bytes(b"")
    with refuses(ImageError, "found/0.png", "empty"):
        evaluate(tmp_path, files)
    path.unlink()
    with refuses(ImageError, "found/0.png"):
        evaluate(tmp_path, files)


def change(contents: dict[str, Any], *keys: Any, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(contents)
    place = changed
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return changed


SEGMENT = ("annotations", 1, "segments_info", 0)


@pytest.mark.parametrize(
    ("keys", "value", "parts"),
    [
        ((*SEGMENT, "category_id"), 999, ("image 1", "category_id 999", "'categories'")),
        ((*SEGMENT, "category_id"), "x", ("image 1", "'category_id' is 'x'", "whole number")),
        ((*SEGMENT, "id"), 0, ("image 1", "segment 0", "16,777,215", "void")),
        ((*SEGMENT, "id"), 2**24, ("image 1", "16777216", "16,777,215")),
        ((*SEGMENT,), {"id": 5}, ("image 1", "segment[0] (id 5)", "'category_id'")),
        ((*SEGMENT, "iscrowd"), 3, ("image 1", "'iscrowd' is 3", "0 or 1")),
        ((*SEGMENT[:-1],), None, ("image 1", "'segments_info' is None", "list")),
        (("annotations", 1, "file_name"), "../x.png", ("image 1", "'../x.png'", "below")),
        (("annotations", 1, "image_id"), 0, ("image_id", "2 entries have the id 0")),
    ],
)
@pytest.mark.parametrize("name", ["truth", "found"])
def test_wrong_entries_are_named(
    tmp_path: Path, files: dict[str, Any], name: str, keys: Any, value: Any, parts: Any
) -> None:
    files[name] = change(files[name], *keys, value=value)
    with refuses(DataError, f"{name}.json", *parts):
        evaluate(tmp_path, files)


def test_segments_of_an_image_have_ids_of_their_own(tmp_path: Path, files: dict[str, Any]) -> None:
    entries = files["truth"]["annotations"][0]["segments_info"]
    entries.append(entries[0])
    with refuses(DataError, "truth.json", "image 0", "2 entries", entries[0]["id"]):
        evaluate(tmp_path, files)


@pytest.mark.parametrize(
    ("keys", "value", "parts"),
    [
        (("categories", 0), {"id": 0, "name": "a"}, ("categories[0] (id 0)", "'isthing'")),
        (("categories", 0, "isthing"), None, ("category 0", "'isthing' is None", "1 (thing)")),
        (("categories", 1, "id"), 0, ("2 entries have the id 0",)),
        (("categories", 1, "id"), [1], ("'id' is [1]", "whole number")),
        (("categories",), [], ("categories", "empty")),
        (("annotations",), [], ("no annotations", "segments_info")),
        (("annotations", 0, "image_id"), 50, ("image 50", "'images'")),
        (("images", 0, "id"), "x", ("'id' is 'x'", "whole number")),
    ],
)
def test_wrong_annotation_files_are_named(
    tmp_path: Path, files: dict[str, Any], keys: Any, value: Any, parts: Any
) -> None:
    files["truth"] = change(files["truth"], *keys, value=value)
    with refuses(DataError, "truth.json", *parts):
        evaluate(tmp_path, files)


def test_a_list_of_results_is_another_format(tmp_path: Path, files: dict[str, Any]) -> None:
    with refuses(DataError, "found.json", "'annotations'", "list of results"):
        evaluate(tmp_path, {**files, "found": files["found"]["annotations"]})
