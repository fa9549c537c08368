"""Predicted classes of points as files, one per room."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.files import fit_name, replace_file
from vision.metrics.processes import gather_shares

SUFFIX = ".npy"


class PointFiles(PredictionWriter):
    """Writes the classes of `predict`: `ROOM.npy`, int64 `(P,)` in the order of the room's points.

    `vision evaluate points` reads them. Every process writes its own rooms.

    Args:
        folder: Where the files are written; created if absent.
    """

    default_name = "predictions"
    writes_folder = True

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._rooms: set[str] = set()

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with no files."""
        self._rooms.clear()
        self.folder.mkdir(parents=True, exist_ok=True)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the files of a batch."""
        for one in evaluated.predictions:
            file = self.folder / f"{fit_name(one['room'], room=len(SUFFIX))}{SUFFIX}"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_labels(file, one["label"].cpu().numpy())
            self._rooms.add(one["room"])

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say how many files there are."""
        rooms = set().union(*gather_shares(self._rooms))
        if trainer.is_global_zero:
            sys.stdout.write(f"{len(rooms)} rooms of classes are in {self.folder}\n")


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write class indices, integers `(P,)`, as a `.npy` file, whole or not at all."""

    def write(place: Path) -> None:
        with place.open("wb") as file:  # numpy would add a suffix to another name
            np.save(file, labels.astype(np.int64, copy=False))

    replace_file(path, write)
