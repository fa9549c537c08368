"""The report of boxes in space: numbers against the record, and a page that shows them."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.boxes3d_evaluation import Streets, evaluated
from helpers.report_cases import subject
from helpers.tiny_detection3d import NAMES

from vision.callbacks.results.detection3d_records import Boxes3DRecord
from vision.callbacks.results.evaluation_records import Record
from vision.report.build import write_report
from vision.report.detection3d import analyse, changes
from vision.report.parts import EvaluatedData
from vision.tasks.detection3d import Detection3D

COUNT = 5


def make(by: float = 0.05, *, classes: tuple[str, ...] = ("Car", "Pedestrian")) -> Any:
    evaluator = evaluated(COUNT, by=by)
    result = evaluator.compute(classes)
    metrics = {f"val/{name}": value for name, value in result.scalars().items()}
    body = Boxes3DRecord(evaluator.gather(), result)
    record = Record("detection3d", Detection3D, "val", metrics, tuple(NAMES), COUNT, 1.0, body)
    return record, EvaluatedData(Streets(COUNT), None)


@pytest.fixture(scope="module")
def case() -> Any:
    return make()


def test_numbers_are_those_of_the_evaluation(case: Any) -> None:
    record, source = case
    parts = analyse(record, source)
    car, walker = parts["classes"]
    assert (car["name"], walker["name"]) == ("Car", "Pedestrian")
    assert car["AP_2D"] == pytest.approx(record.metrics["val/AP_2D"])
    assert walker["AP_3D"] == pytest.approx(record.metrics["val/AP_3D_Pedestrian"])
    assert car["objects"] == sum(row["objects"] for row in car["distance"]) == 8
    assert car["pairs"] == sum(row["pairs"] for row in car["errors"]) == 8
    assert sum(car["yaw"]["counts"]) == 8
    assert [row["objects"] for row in parts["images"]] == [3, 3, 3, 1, 3]
    # Cars of image i are moved ahead by 5 i percent: those of 12 and 15, of 16, 20 and so on m.
    near = car["errors"][0]
    assert (near["near"], near["pairs"]) == (10, 3)
    assert near["middle"] == pytest.approx(0, abs=0.01)
    assert near["high"] == pytest.approx(0.9 * 0.05 * 16, abs=0.01)


def test_the_page_has_charts_tables_and_examples(case: Any, tmp_path: Path) -> None:
    record, source = case
    report = write_report(tmp_path / "new", record, subject(tmp_path), source)
    page = (tmp_path / "new" / "report.html").read_text()
    assert "could not be made" not in page
    for text in ("AP by distance", "Error of the depth by distance", "By occlusion"):
        assert page.count(text) >= 2, "one for each class"
    assert "band s0" in page
    assert page.count("<img") == COUNT
    again = write_report(
        tmp_path / "again",
        record,
        subject(tmp_path),
        source,
        against=tmp_path / "new" / "report.json",
    )
    assert {row["difference"] for row in again["against"]["metrics"]} == {0.0}
    assert "no class in common" not in (tmp_path / "again" / "report.html").read_text()
    assert json.loads(json.dumps(report))["classes"][0]["name"] == "Car"


def test_a_page_of_nothing_found_is_made(tmp_path: Path) -> None:
    record, source = make(classes=("Cyclist",))
    report = write_report(tmp_path, record, subject(tmp_path), source)
    page = (tmp_path / "report.html").read_text()
    assert "could not be made" not in page
    assert "There are no objects." in page
    assert report["classes"][0]["AP_3D"] is None


def test_images_that_became_better_are_gains(case: Any) -> None:
    record, source = case
    rows = analyse(*make(by=0.08))["images"]
    gains, losses = changes(
        record, source, {row["name"]: {k: str(v) for k, v in row.items()} for row in rows}
    )
    assert "000001.png" in gains
    assert "0 images" in losses
