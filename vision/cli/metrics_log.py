"""The metrics of a run as CSV, continued when the run is resumed."""

import csv
import os
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment

STEP = "step"


class MetricsLog(CSVLogger):
    """Lightning's CSV logger, which of itself would begin `metrics.csv` anew.

    Args:
        folder: Folder of the run: its two last parts are name and version.
        resumed_step: Optimiser steps that a resumed run has behind it; rows of later steps, which
            will be taken again, are dropped. 0 for a new run.
    """

    def __init__(self, folder: Path, *, resumed_step: int = 0) -> None:
        super().__init__(folder.parent.parent, name=folder.parent.name, version=folder.name)
        self._file = folder / "metrics.csv"
        self._kept = _rows_before(self._file, resumed_step)

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


def _rows_before(file: Path, step: int) -> list[dict[str, str]]:
    if step == 0 or not file.is_file():
        return []
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    # A killed process may have left an incomplete last row.
    return [row for row in rows if (row.get(STEP) or "").isdecimal() and int(row[STEP]) < step]
