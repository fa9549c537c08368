import csv
import json
from pathlib import Path

import pytest
from helpers.run_folders import CONFIG, START, VALIDATED, write_run
from helpers.tiny_detection import tiny_detector
from helpers.tiny_task import tiny_task

from vision.errors import ConfigError
from vision.report.compare import Comparison, Row, Table, compare_runs, write_csv, write_json
from vision.report.runs import read_runs

BETTER = [
    {**row, **({"val/top1": 0.9, "val/loss": 2.0} if "val/top1" in row else {})}
    for row in VALIDATED
]


def rows_of(compared: Comparison, title: str) -> dict[str, Row]:
    return {
        row.name: row for table in compared.tables if table.title == title for row in table.rows
    }


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("runs") / "digits"
    write_run(folder / "version_0", starts=[START], task=tiny_task())
    slower = {**START, "seconds": 40.0}
    other = {**CONFIG["trainer"], "max_epochs": 5}
    write_run(
        folder / "version_1",
        BETTER,
        starts=[slower],
        task=tiny_task(num_classes=3),
        trainer=other,
        name="another",
        seed=[1],
    )
    return compare_runs(read_runs([folder]))


def test_best_and_last_and_the_difference_to_the_first(compared: Comparison) -> None:
    rows = rows_of(compared, "Validation during training")
    assert rows["val/top1 best"].values == [0.75, 0.9]
    assert rows["val/top1 last"].values == [0.625, 0.9]
    assert rows["val/loss best"].values == [1.0, 2.0]
    assert rows["val/top1 best"].difference(1) == pytest.approx(0.15)
    assert rows["val/top1 best"].difference(0) is None
    assert rows["val/top1 best"].leaders() == {1}
    assert rows["val/loss best"].leaders() == {0}


def test_only_keys_that_differ_are_shown(compared: Comparison) -> None:
    rows = rows_of(compared, "Config")
    assert {name: row.values for name, row in rows.items()} == {
        "trainer.max_epochs": ["3", "5"],
        "seed": [None, "[1]"],
    }


def test_speed_and_size(compared: Comparison) -> None:
    speed, size = rows_of(compared, "Speed"), rows_of(compared, "Size")
    assert speed["training time, s"].values == [20, 40]
    assert speed["training time, s"].leaders() == {0}
    assert speed["images/s"].values == pytest.approx([192, 96])
    assert speed["images/s"].leaders() == {0}
    assert [speed["seconds per epoch"].text(i) for i in (0, 1)] == ["unknown", "unknown"]
    counts = [sum(p.numel() for p in tiny_task(num_classes=k).parameters()) for k in (8, 3)]
    assert size["parameters, M"].values == [count / 1e6 for count in counts]
    assert "weights/best.safetensors, MB" not in size
    assert rows_of(compared, "Model")["model"].values == ["convnext", "convnext"]
    # Nothing was evaluated.
    assert rows_of(compared, "Evaluation") == {}


def test_each_run_is_said_to_be_better_at_something(compared: Comparison) -> None:
    first, second = compared.verdicts
    assert first.startswith(
        "digits/version_0 is better at val/loss (1.0000), training time (20.0 s)"
    )
    assert "images/s (192.0)" in first
    assert second == "digits/version_1 is better at val/top1 (0.9000)."


def test_a_shorter_training_is_not_a_faster_one(tmp_path: Path) -> None:
    short = write_run(tmp_path / "a", VALIDATED[:3], starts=[{**START, "seconds": 5.0}])
    long = write_run(tmp_path / "b", starts=[START])
    found = compare_runs(read_runs([short, long]))
    assert rows_of(found, "Model")["epochs trained"].values == [2, 3]
    assert rows_of(found, "Speed")["training time, s"].leaders() == set()
    (lead,) = [table.lead for table in found.tables if table.title == "Speed"]
    assert "differ in epochs" in lead
    assert not any("training time" in verdict for verdict in found.verdicts)


def test_evaluations_are_compared(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name) for name in "ab"]
    for folder, value in zip(folders, (0.1, 0.2), strict=True):
        (folder / "evaluation").mkdir()
        report = {"kind": "classification", "classes": [], "calibration": {"ece": value}}
        text = json.dumps({**report, "metrics": {"val/top1": 1 - value}})
        (folder / "evaluation" / "report.json").write_text(text)
    rows = rows_of(compare_runs(read_runs(folders)), "Evaluation")
    assert rows["val/top1"].leaders() == {0}
    assert rows["ece"].values == [0.1, 0.2]
    assert rows["ece"].leaders() == {0}


def test_of_different_tasks_only_what_both_have_is_compared(tmp_path: Path) -> None:
    rows = [{"epoch": 0, "step": 9, "val/loss": 3.0, "val/box_AP": 0.2}]
    first = write_run(tmp_path / "a", task=tiny_task())
    second = write_run(tmp_path / "b", rows, task=tiny_detector())
    found = compare_runs(read_runs([first, second]))
    assert found.metrics == ["val/loss"]
    assert "different tasks (classification, detection)" in found.notes[0]
    # Of one task, a metric that one run lacks is shown with a gap.
    third = write_run(tmp_path / "c", rows, task=tiny_task())
    same = compare_runs(read_runs([first, third]))
    gap = rows_of(same, "Validation during training")["val/box_AP best"]
    assert gap.values == [None, 0.2]
    assert (gap.text(0), gap.difference(1), gap.leaders()) == ("-", None, set())


def test_a_run_that_failed_is_not_the_best_and_not_hidden() -> None:
    row = Row(name="val/loss last", values=[float("nan"), 2.0, 1.0], better="lower")
    assert row.leaders() == {2}
    assert row.difference(1) is None
    assert row.text(0) == "nan"


def test_of_equal_values_none_is_the_best() -> None:
    assert Row(name="a", values=[1.0, 1.0], better="higher").leaders() == set()
    assert Row(name="a", values=[1.0, None], better="higher").leaders() == set()
    assert Row(name="a", values=[2.0, 1.0, 2.0], better="higher").leaders() == {0, 2}


def test_no_runs_are_an_error() -> None:
    with pytest.raises(ConfigError, match="RUN RUN"):
        compare_runs([])


def test_files_hold_what_was_compared(compared: Comparison, tmp_path: Path) -> None:
    write_json(compared, tmp_path / "new" / "a.json")
    written = json.loads((tmp_path / "new" / "a.json").read_text())
    assert [run["name"] for run in written["runs"]] == ["digits/version_0", "digits/version_1"]
    row = written["tables"]["Validation during training"]["val/top1 best"]
    assert row == {"values": [0.75, 0.9], "better": "higher", "best": [1]}
    write_csv(compared, tmp_path / "new" / "a.csv")
    with (tmp_path / "new" / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["val/top1 best"] for row in rows] == ["0.75", "0.9"]
    assert [row["seed"] for row in rows] == ["", "[1]"]


def test_json_has_no_numbers_that_json_has_not(tmp_path: Path) -> None:
    table = Table(title="t", rows=[Row(name="a", values=[float("nan"), 1.0])])
    write_json(Comparison(runs=[], tables=[table]), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["tables"]["t"]["a"]["values"] == [None, 1]


@pytest.mark.parametrize("write", [write_json, write_csv])
def test_a_file_that_cannot_be_written_is_an_error(write: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write(Comparison(runs=[]), tmp_path / "file" / "a")  # type: ignore[operator]
