"""The record of a run as CSV and JSON lines."""

import csv
import json
from pathlib import Path
from typing import Any

from vision.cli.metrics_log import MetricsLog


def read(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return rows, [json.loads(line) for line in lines]


def test_a_line_for_each_row_and_null_for_what_is_no_number(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "version_0"
    log = MetricsLog(folder)
    log.log_metrics({"train/loss": 1.5, "epoch": 0}, 0)
    log.log_metrics({"train/loss": float("nan"), "lr": float("inf")}, 1)
    log.save()
    log.log_metrics({"val/top1": 0.5, "epoch": 0}, 1)
    log.finalize("success")
    rows, lines = read(folder)
    assert lines == [
        {"step": 0, "train/loss": 1.5, "epoch": 0},
        {"step": 1, "train/loss": None, "lr": None},
        {"step": 1, "val/top1": 0.5, "epoch": 0},
    ]
    assert [int(row["step"]) for row in rows] == [0, 1, 1]


def test_a_resumed_run_goes_on_without_what_is_taken_again(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "version_0"
    log = MetricsLog(folder)
    for step in range(5):
        log.log_metrics({"loss": float(step)}, step)
    log.save()
    # A killed process has left a part of a line.
    for name in ("metrics.csv", "metrics.jsonl"):
        text = (folder / name).read_text()
        (folder / name).write_text(text[:-4])
    log = MetricsLog(folder, resumed_step=3)
    log.log_metrics({"loss": 30.0}, 3)
    log.save()
    rows, lines = read(folder)
    assert lines == [{"step": s, "loss": v} for s, v in enumerate([0.0, 1.0, 2.0, 30.0])]
    assert [float(row["loss"]) for row in rows] == [0.0, 1.0, 2.0, 30.0]


def test_a_torn_last_line_is_dropped_where_nothing_is_taken_again(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "version_0"
    log = MetricsLog(folder)
    log.log_metrics({"loss": 1.0}, 0)
    log.save()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "lo')
    log = MetricsLog(folder, resumed_step=9)
    log.log_metrics({"loss": 2.0}, 9)
    log.save()
    assert [line["step"] for line in read(folder)[1]] == [0, 9]
