from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.report_cases import detection_case

from vision.metrics.coco.metric import PackedPrediction
from vision.report.detection_numbers import THRESHOLD, analyse, breakdowns, collect


def test_numbers_agree_with_cocos_and_with_each_other(tmp_path: Path) -> None:
    record, source = detection_case(tmp_path)
    parts, scalars = analyse(record, source), record.body.result.scalars()
    table = {row["name"]: row["box"] for row in parts["table"]}
    assert table["AP"] == scalars["box_AP"]
    # 101 points of precision give the average precision of each class, and all together AP50.
    for overlap, name in (("0.5", "AP50"), ("0.75", "AP75")):
        curves = parts["curves"]["box"][overlap]
        assert np.mean(curves["mean"]) == pytest.approx(table[name])
    for row in parts["classes"]:
        curve = parts["curves"]["box"]["0.5"]["classes"][row["name"]]
        assert np.mean(curve) == pytest.approx(row["box_AP50"])
    objects = sum(row["objects"] for row in parts["classes"])
    for rows in parts["breakdowns"].values():
        assert sum(row["objects"] for row in rows) == objects
    matrix = np.array(parts["confusion"]["matrix"])
    assert matrix[:-1].sum() == objects
    assert matrix[-1, :-1].sum() >= 5  # the invented box of each image


def test_a_case_by_hand() -> None:
    # A small and a large object, one above half of the other, and a third at the border, missed.
    boxes = np.array([[10, 10, 20, 20], [10, 10, 20, 15], [100, 100, 200, 200]], np.float32)
    objects = SimpleNamespace(
        boxes=boxes,
        labels=np.array([0, 1, 1]),
        crowd=np.zeros(3, bool),
        areas=np.array([100.0, 50.0, 10_000.0]),
    )
    index = SimpleNamespace(
        class_names=("a", "b"),
        image_ids=np.array([7]),
        sizes=np.array([[200, 300]]),
        objects=lambda place: objects,
    )
    found = PackedPrediction(
        labels=np.array([0, 1, 0], np.int32),
        scores=np.array([0.9, 0.2, 0.8], np.float32),
        boxes=boxes[[0, 1, 0]] + np.float32([[0] * 4, [0] * 4, [50] * 4]),
        size=None,
        counts=b"",
        lengths=np.zeros(0, np.int32),
    )
    seen = collect(index, {7: found})
    assert seen.covered.tolist() == [0.5, 1.0, 0.0]
    assert seen.cut.tolist() == [False, False, True]
    assert seen.score[:2].tolist() == pytest.approx([0.9, 0.2])
    assert np.isnan(seen.score[2])
    assert sorted(zip(seen.scores.round(3).tolist(), seen.right.tolist(), strict=True)) == [
        (0.2, True),
        (0.8, False),
        (0.9, True),
    ]
    # The unsure detection is below the threshold, so that its object is missed.
    assert THRESHOLD == 0.3
    assert seen.confusion.tolist() == [[1, 0, 0], [0, 0, 2], [1, 0, 0]]
    rows = breakdowns(seen)
    assert [row["recall"] for row in rows["area"]] == [1.0, None, 0.0]
    assert [row["recall_sure"] for row in rows["occlusion"]] == [0.0, None, 0.5]
    assert [row["objects"] for row in rows["border"]] == [2, 1]
