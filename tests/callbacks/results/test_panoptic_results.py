"""Files and records of an evaluation of segments, and the files of a prediction."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.panoptic_evaluation import IMAGES, NUMBERS, PanopticWorld, data_of, evaluate_shifted
from helpers.tiny_segments import CATEGORY_IDS, CLASSES, scene
from helpers.tiny_task import quiet_trainer
from PIL import Image

from vision.annotations.panoptic import read_segment_ids
from vision.callbacks.results.panoptic_predictions import PanopticPredictions, image_id
from vision.metrics.panoptic_files import evaluate_panoptic


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PanopticWorld:
    return evaluate_shifted(tmp_path_factory.mktemp("world"))


def test_the_files_are_evaluated_as_the_task_was(world: PanopticWorld) -> None:
    annotations = world.root / "annotations" / "panoptic_val2017.json"
    again = evaluate_panoptic(annotations, world.results / "panoptic.json")
    result: Any = world.task.panoptic_result
    for name in ("true_positives", "false_positives", "false_negatives"):
        assert np.array_equal(getattr(again, name), getattr(result, name))
    np.testing.assert_allclose(again.iou_sum, result.iou_sum, rtol=1e-12)
    assert again.true_positives.sum() > 5
    assert again.pq[1] == 0, "boxes are never found"
    written = json.loads((world.results / "panoptic.json").read_text())
    assert [one["id"] for one in written["images"]] == NUMBERS
    assert [one["id"] for one in written["categories"]] == list(CATEGORY_IDS)
    assert [one["isthing"] for one in written["categories"]] == [1, 1, 0, 0]
    assert {one["category_id"] for one in written["annotations"][0]["segments_info"]} <= {
        1,
        92,
        200,
    }


def test_numbers_and_pictures_are_written(world: PanopticWorld) -> None:
    metrics = json.loads((world.results / "metrics.json").read_text())
    result: Any = world.task.panoptic_result
    assert metrics["all"]["PQ"] == result.groups()["all"]["PQ"]
    with (world.results / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(CLASSES)
    assert [int(row["TP"]) for row in rows] == result.true_positives.tolist()
    overlays = sorted(path.name for path in (world.results / "overlays").iterdir())
    assert overlays == [f"{NUMBERS[place]:012}.png" for place in (0, 2)]
    with Image.open(world.results / "examples.png") as picture:
        assert min(picture.size) > 400


def test_the_record_has_what_the_report_shows(world: PanopticWorld) -> None:
    body = world.record.body
    assert world.record.kind == "panoptic"
    assert [one.place for one in body.scored] == list(range(IMAGES))
    assert {one.place for kind in body.chosen.values() for one in kind} == {*body.segments}
    result, breakdown = body.result, body.breakdown
    for name in ("true_positives", "false_positives", "false_negatives"):
        assert getattr(breakdown, name).sum() == getattr(result, name).sum()
    # Boxes that are found as discs: a pair of classes, not a miss.
    assert breakdown.confusion[1, 0] > 0
    assert breakdown.confusion[1, 1] == 0


def test_images_are_scored_over_all_their_segments(world: PanopticWorld) -> None:
    for one in world.record.body.scored:
        ids, segments = scene(NUMBERS[one.place])
        iou, matches, errors = 0.0, 0, 0
        for number, label, crowd in zip(*segments, strict=True):
            true, found = ids == number, np.roll(ids == number, 2, 1)
            share = (true & found).sum() / (true | (found & (ids != 0))).sum()
            if crowd:
                continue
            if label == 1:  # a box, found as a disc
                errors += 1 + int((found & (ids == 0)).sum() <= 0.5 * found.sum())
            elif share > 0.5:
                iou, matches = iou + share, matches + 1
            else:
                errors += 2
        assert one.score == pytest.approx(iou / (matches + errors / 2))
        assert one.objects == int((~segments.crowd).sum())


def test_predict_writes_the_same_format(
    world: PanopticWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = PanopticPredictions(tmp_path / "found")
    trainer = quiet_trainer(tmp_path, callbacks=[writer])
    trainer.predict(world.task, data_of(world.root), return_predictions=False)
    assert f"segments of {IMAGES} images are in {tmp_path / 'found'}" in capsys.readouterr().out
    written = json.loads((tmp_path / "found" / "panoptic.json").read_text())
    assert [one["image_id"] for one in written["annotations"]] == NUMBERS
    for one in written["annotations"]:
        ids = read_segment_ids(tmp_path / "found" / "panoptic" / one["file_name"])
        assert ids.shape == (40, 56)
        assert {*np.unique(ids).tolist()} - {0} == {info["id"] for info in one["segments_info"]}


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["12", "7"], 7), (["a_b", "007"], "007"), ([], 1), (["1", "x_2"], "x_2")],
)
def test_images_have_the_numbers_of_the_annotations(names: list[str], expected: Any) -> None:
    dataset = type("Set", (), {"index": type("Index", (), {"names": names})()})()
    assert image_id(dataset, 1) == expected
    assert image_id(None, 1) == 1
