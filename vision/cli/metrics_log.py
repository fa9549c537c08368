"""The metrics of a run as CSV and as JSON lines, continued when the run is resumed."""

import json
import math
import os
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only

from vision.decoration import Decoration
from vision.documents.csv_text import read_log
from vision.documents.json_text import parse_json
from vision.documents.numbers import whole_number
from vision.errors import DataError
from vision.files import write_text
from vision.reading import MAX_TABLE_BYTES, read_file

STEP = "step"


class MetricsLog(CSVLogger):
    """Lightning's CSV logger, but it continues an existing `metrics.csv`; also writes JSON Lines.

    `metrics.jsonl` has an object for each row of the CSV, with only the logged values; numbers that
    are not finite are null.

    Args:
        folder: Folder of the run: its two last parts are name and version.
        resumed_step: Optimiser steps that a resumed run has behind it; rows of later steps, which
            will be taken again, are dropped. 0 for a new run.
    """

    def __init__(self, folder: Path, *, resumed_step: int = 0) -> None:
        super().__init__(folder.parent.parent, name=folder.parent.name, version=folder.name)
        self._guard = Decoration("the log of metrics")
        self._file = folder / "metrics.csv"
        self._lines = folder / "metrics.jsonl"
        self._kept = _rows_before(self._file, resumed_step)
        self._resumed_step = resumed_step
        self._begun = False
        self._unwritten: list[str] = []

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer; on first use it takes over the rows that are kept."""
        if self._experiment is None and self._kept:
            aside = self._file.with_suffix(".csv.before")
            os.replace(self._file, aside)  # the writer deletes what it finds
            writer: Any = super().experiment
            writer.metrics = self._kept
            writer.save()
            aside.unlink()
        return super().experiment

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Add the metrics of a step."""
        with self._guard:
            self._take(metrics, step)

    def _take(self, metrics: dict[str, Any], step: int | None) -> None:
        if step is None:
            step = len(self.experiment.metrics)
        values = {STEP: step, **{name: _plain(value) for name, value in metrics.items()}}
        # First, as the other may save both.
        self._unwritten.append(json.dumps(values))
        super().log_metrics(metrics, step)

    @rank_zero_only
    def save(self) -> None:
        """Write the added metrics to both files."""
        with self._guard:
            self._write()

    def _write(self) -> None:
        super().save()
        if not self._begun:
            kept = _lines_before(self._lines, self._resumed_step)
            write_text(self._lines, "".join(f"{line}\n" for line in kept))
            self._begun = True
        if self._unwritten:
            with self._lines.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in self._unwritten))
            self._unwritten = []


def _rows_before(file: Path, step: int) -> list[dict[str, str]]:
    if step == 0 or not file.is_file():
        return []
    rows = read_log(file, what="log of metrics")
    # A killed process may have left an incomplete last row.
    steps = [whole_number(row.get(STEP, "")) for row in rows]
    return [row for row, own in zip(rows, steps, strict=True) if own is not None and own < step]


def _lines_before(file: Path, step: int) -> list[str]:
    """The whole lines of earlier steps."""
    if step == 0 or not file.is_file():
        return []
    kept = []
    data = read_file(file, max_bytes=MAX_TABLE_BYTES, what="log of metrics")
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            values = parse_json(line, "line")
        except DataError:  # a killed process has left a part of it
            continue
        if isinstance(values, dict) and isinstance(values.get(STEP), int) and values[STEP] < step:
            kept.append(line)
    return kept


def _plain(value: Any) -> float | int | None:
    number = value if isinstance(value, int) else float(value)
    return number if math.isfinite(number) else None
