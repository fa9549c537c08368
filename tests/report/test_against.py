import json
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.errors import DataError
from vision.metrics.directions import direction
from vision.report.against import (
    against_section,
    compare,
    find_report,
    read_images,
    read_report,
)

NUMBERS = ("f1", "recall")
OURS = {
    "kind": "classification",
    "split": "val",
    "images": 10,
    "metrics": {"val/top1": 0.75, "val/loss": 0.5, "val/new": 1.0},
    "calibration": {"ece": 0.1},
    "classes": [{"name": "cat", "f1": 0.9}, {"name": "<dog>", "f1": 0.2}, {"name": "new", "f1": 1}],
}
THEIRS = {
    **OURS,
    "split": "test",
    "images": 12,
    "metrics": {"test/top1": 0.5, "test/loss": 0.75},
    "classes": [{"name": "cat", "f1": 0.4}, {"name": "<dog>", "f1": 0.5}],
}


def test_differences_of_what_both_have() -> None:
    found = compare(OURS, THEIRS, NUMBERS)
    assert {row["name"]: row["difference"] for row in found["metrics"]} == {
        "top1": 0.25,
        "loss": -0.25,
        "ece": 0.0,
    }
    assert [(row["name"], round(row["difference"], 6)) for row in found["classes"]] == [
        ("cat", 0.5),
        ("<dog>", -0.3),
    ]


def test_a_lower_loss_is_a_gain_and_other_images_are_noted() -> None:
    shown = against_section(compare(OURS, THEIRS, NUMBERS), OURS, THEIRS, [], NUMBERS)
    assert 'class="gain">-0.2500' in shown
    assert 'class="gain">+0.2500' in shown
    assert 'class="loss">-0.3000' in shown
    assert "Other images: 10 of val now, 12 of test before." in shown
    assert "<dog>" not in shown
    assert direction("val/loss") == "lower"


def test_nothing_to_find_is_not_a_difference() -> None:
    ours = {**OURS, "metrics": {"val/box_AP_small": -1.0}}
    found = compare(ours, {**ours, "metrics": {"val/box_AP_small": 0.5}}, NUMBERS)
    assert [row["name"] for row in found["metrics"]] == ["ece"]


def test_another_task_is_refused() -> None:
    with refuses(DataError, "compared", "detection"):
        compare(OURS, {**THEIRS, "kind": "detection"}, NUMBERS)


def test_the_report_of_a_run_is_found(tmp_path: Path) -> None:
    assert find_report(tmp_path) is None
    for name in ("evaluation", "evaluation_test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(OURS))
    file = tmp_path / "evaluation" / "report.json"
    assert find_report(tmp_path) == find_report(file.parent) == find_report(file) == file
    assert find_report(tmp_path, "test") == tmp_path / "evaluation_test" / "report.json"
    assert read_report(file) == OURS
    assert read_images(file) == {}
    (file.parent / "images.csv").write_text("place,name,score\n3,a/b.png,0.5\n")
    assert read_images(file) == {"a/b.png": {"place": "3", "name": "a/b.png", "score": "0.5"}}
    with pytest.raises(DataError, match="no such run or report"):
        find_report(tmp_path / "absent")


def test_other_files_are_refused(tmp_path: Path) -> None:
    for text, message in (
        ("{", "looks cut off"),
        ("[]", "is not a report"),
        ("{}", "is not a report"),
    ):
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(DataError, match=message):
            read_report(tmp_path / "report.json")
