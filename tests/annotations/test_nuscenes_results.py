"""nuScenes' format of results: what is read of it, and what is said of broken files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.annotations.nuscenes_names import ATTRIBUTES, CLASSES
from vision.annotations.nuscenes_results import read_results
from vision.errors import DataError

SAMPLES = {"a": 0, "b": 1}
OTHERS = frozenset({"elsewhere"})
BOX = {
    "sample_token": "a",
    "translation": [1, 2.5, 3],
    "size": [1.5, 4.0, 1.2],
    "rotation": [1, 0, 0, 0],
    "velocity": [0.5, math.nan],
    "detection_name": "bus",
    "detection_score": 0.25,
    "attribute_name": "vehicle.parked",
}


def write(path: Path, results: Any, **more: Any) -> Path:
    path.write_text(json.dumps({"results": results, "meta": {}} | more))
    return path


def test_detections_keep_the_order_of_the_file(tmp_path: Path) -> None:
    second = BOX | {"sample_token": "b", "detection_name": "barrier", "attribute_name": ""}
    results = {"b": [second], "elsewhere": [{"what": "ever"}], "a": [BOX, BOX]}
    found = read_results(write(tmp_path / "a.json", results), SAMPLES, OTHERS)
    assert found.samples.tolist() == [1, 0, 0]
    assert [CLASSES[label] for label in found.labels] == ["barrier", "bus", "bus"]
    assert found.attributes.tolist() == [-1, *[ATTRIBUTES.index("vehicle.parked")] * 2]
    assert found.centres.tolist() == [[1, 2.5, 3]] * 3
    assert found.sizes[0].tolist() == [1.5, 4.0, 1.2]
    assert found.rotations[0].tolist() == [1, 0, 0, 0]
    assert found.scores.tolist() == [0.25] * 3
    np.testing.assert_array_equal(found.velocities, [[0.5, np.nan]] * 3)
    empty = read_results(write(tmp_path / "b.json", {"a": [], "b": []}), SAMPLES, OTHERS)
    assert empty.centres.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"translation": [1, 2]}, ["'translation' is [1, 2]", "3 finite numbers"]),
        ({"translation": [1, 2, math.inf]}, ["'translation'", "inf"]),
        ({"size": [1, -1, 2]}, ["'size' is [1, -1, 2]", "above 0"]),
        ({"size": ["1", 1, 2]}, ["'size'", "3 finite numbers"]),
        ({"rotation": [0, 0, 0, 0]}, ["'rotation' is [0, 0, 0, 0]", "quaternion"]),
        ({"velocity": [1]}, ["'velocity' is [1]", "2 finite numbers"]),
        ({"velocity": [1, math.inf]}, ["'velocity'", "inf"]),
        ({"detection_name": "cars"}, ["'detection_name' is 'cars'", "Did you mean 'car'"]),
        ({"detection_name": ["car"]}, ["'detection_name' is ['car']"]),
        ({"detection_score": True}, ["'detection_score' is True", "a finite number"]),
        ({"detection_score": math.nan}, ["'detection_score' is nan"]),
        ({"attribute_name": "moving"}, ["'attribute_name' is 'moving'", "vehicle.moving"]),
        ({"attribute_name": None}, ["'attribute_name' is None", "an empty text"]),
        ({"sample_token": "b"}, ["'sample_token' is 'b'", "that of its key frame"]),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, Any], parts: list[str]) -> None:
    path = write(tmp_path / "found.json", {"b": [], "a": [BOX, BOX | change]})
    with refuses(DataError, "found.json", "key frame 'a', detection 1", *parts) as caught:
        read_results(path, SAMPLES, OTHERS)
    assert len(str(caught.value).splitlines()) <= 8


@pytest.mark.parametrize(
    ("contents", "parts"),
    [
        ({"results": {"a": [], "b": []}}, ["no 'meta'"]),
        ({"meta": {}}, ["no 'results'", "each key frame's token"]),
        ({"meta": {}, "results": {"a": []}}, ["lacks 1 of 2 key frames", "b", "--split"]),
        ({"meta": {}, "results": {"c": []}}, ["'c' is the token of no key frame"]),
        ({"meta": {}, "results": {"a": {}}}, ["key frame 'a' has {}", "a list of detections"]),
        ({"meta": {}, "results": {"a": [3]}}, ["detection 0: it is 3, expected an object"]),
        ({"meta": {}, "results": {"a": [{}]}}, ["detection 0: it has no 'sample_token'"]),
        ({"meta": {}, "results": {"a": [BOX] * 501}}, ["'a' has 501 detections", "500"]),
        ({"meta": {}, "results": []}, ["expected an object"]),
        ([], ["expected an object"]),
    ],
)
def test_another_file_is_refused(tmp_path: Path, contents: Any, parts: list[str]) -> None:
    path = tmp_path / "found.json"
    path.write_text(json.dumps(contents))
    with refuses(DataError, "found.json", *parts):
        read_results(path, SAMPLES, OTHERS)


def test_a_key_frame_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text('{"meta": {}, "results": {"a": [], "b": [], "a": []}}')
    with refuses(DataError, "found.json", "'a' occurs twice"):
        read_results(path, SAMPLES, OTHERS)


def test_five_hundred_detections_are_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "found.json", {"a": [BOX] * 500, "b": []})
    assert len(read_results(path, SAMPLES, OTHERS).scores) == 500
