"""The report of volumes: numbers against the record, and a page that shows them."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.report_cases import subject
from helpers.volumes_evaluation import SUBJECTS, VolumesWorld, evaluate_shifted

from vision.metrics.volumes.table import VolumeScores
from vision.report.build import write_report
from vision.report.volumes import REPORT, agreement, analyse, changes, sections


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> VolumesWorld:
    return evaluate_shifted(tmp_path_factory.mktemp("world"), distances=True)


def test_numbers_are_those_of_the_evaluation(world: VolumesWorld) -> None:
    parts = json.loads(json.dumps(analyse(world.record, world.source)))
    metrics = world.record.metrics
    assert [row["name"] for row in parts["classes"]] == ["TC", "WT", "ET"]
    for row in parts["classes"]:
        for metric in ("Dice", "HD95", "ASD", "VolumeError"):
            assert row[metric] == pytest.approx(metrics[f"val/{metric}_{row['name']}"], rel=1e-6)
        assert row["labelled"] == SUBJECTS
    assert {f"val/{name}" for name in REPORT.headline} <= {*metrics}
    assert {*REPORT.class_metrics} <= {*parts["classes"][0]}
    assert [sum(one["counts"]) for one in parts["dice"]] == [SUBJECTS] * 3
    assert [row["missed"] for row in parts["classes"]] == [1, 0, 1]
    assert [row["name"] for row in parts["images"]] == sorted(
        row["name"] for row in parts["images"]
    )
    scores = [row["score"] for row in parts["images"]]
    assert np.mean(scores) == pytest.approx(metrics["val/Dice"])


def test_agreement_is_the_mean_difference_with_its_limits() -> None:
    truth, found = np.array([[1.0], [2.0], [4.0]]), np.array([[2.0], [2.0], [6.0]])
    scores = VolumeScores(("a",), ("x", "y", "z"), np.ones((3, 1)), found, truth)
    row = agreement(scores, 0)
    assert row["bias_ml"] == pytest.approx(1)
    assert row["high_ml"] - 1 == pytest.approx(1.96 * 1.0)
    assert row["low_ml"] - 1 == pytest.approx(-1.96 * 1.0)
    assert (row["truth_ml"], row["found_ml"]) == ([1, 2, 4], [2, 2, 6])
    single = VolumeScores(("a",), ("x",), np.ones((1, 1)), found[:1], truth[:1])
    assert agreement(single, 0)["low_ml"] is None
    assert agreement(single, 0)["bias_ml"] == 1


def test_the_page_shows_every_part_and_the_worst_first(world: VolumesWorld, tmp_path: Path) -> None:
    write_report(tmp_path / "new", world.record, subject(tmp_path), world.source)
    page = (tmp_path / "new" / "report.html").read_text()
    assert "could not be made" not in page
    for words in (
        "Lowest Dice first",
        "Volume by subject and region",
        "Predicted - true",
        "HD95, mm",
    ):
        assert words in page
    assert page.count("<img") == SUBJECTS
    assert page.count("<circle") >= 3 * SUBJECTS
    worst = world.record.body.chosen["worst"][0].name
    assert page.index(f"{worst}, Dice") < page.index("<h3>Best</h3>")
    again = write_report(
        tmp_path / "again",
        world.record,
        subject(tmp_path),
        world.source,
        against=tmp_path / "new" / "report.json",
    )
    assert {row["difference"] for row in again["against"]["metrics"]} == {0.0}
    assert {row["metric"] for row in again["against"]["classes"]} == {*REPORT.class_metrics}


def test_a_page_without_subjects_is_made(world: VolumesWorld) -> None:
    nothing = np.zeros((0, 2))
    result = VolumeScores(("a", "b"), (), nothing, nothing, nothing, empty="brats")
    body = world.record.body._replace(
        result=result, places={}, chosen={"worst": [], "best": [], "random": []}
    )
    record = world.record._replace(body=body)
    page = "".join(sections(analyse(record, world.source), record, world.source))
    for words in (
        "No subject has a region",
        "There are no subjects",
        "counts 1 if nothing is found",
    ):
        assert words in page


def test_subjects_that_gained_and_lost(world: VolumesWorld) -> None:
    rows = analyse(world.record, world.source)["images"]
    theirs = {row["name"]: {"score": str(row["score"])} for row in rows}
    first, second = list(theirs)[:2]
    theirs[first]["score"], theirs[second]["score"] = "0.0625", "1.0"
    gains, losses = changes(world.record, world.source, theirs)
    assert (first in gains, second in gains) == (True, False)
    assert (first in losses, second in losses) == (False, True)
