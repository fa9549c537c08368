"""Predictions as a table."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.documents.csv_writing import write_table
from vision.metrics.processes import gather_rows

COLUMNS = ("path", "label", "name", "score")


class PredictionTable(PredictionWriter):
    """Writes the prediction for each image to a CSV file with the columns of `COLUMNS`.

    `path` is the image's path, or its index in the dataset if it has none; `name` is the class
    name and `score` its probability.

    Args:
        path: The file to write; its folder is created if absent.
    """

    default_name = "predictions.csv"

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self.path = Path(path)
        self._rows: dict[int, tuple[str, int, str, float]] = {}

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with an empty table."""
        self._rows = {}

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Add the rows of a batch."""
        for place, one in zip(evaluated.places.tolist(), evaluated.predictions, strict=True):
            self._rows[place] = _row(place, one)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the table, in the order of the dataset, from the rows of all processes."""
        rows = gather_rows(self._rows)
        if not trainer.is_global_zero:
            return
        write_table(self.path, COLUMNS, rows.values())
        sys.stdout.write(f"{len(rows)} predictions are in {self.path}\n")


def _row(index: int, prediction: Mapping[str, Any]) -> tuple[str, int, str, float]:
    label = int(prediction["label"])
    name = prediction.get("name", str(label))
    score = round(float(prediction["scores"][label]), 6)
    return str(prediction.get("path", index)), label, name, score
