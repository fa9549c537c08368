"""Predicted classes of volumes as NIfTI files, one per subject."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.files import fit_name
from vision.metrics.processes import gather_shares
from vision.ops.nifti import SUFFIXES, write_labels


class VolumeFiles(PredictionWriter):
    """Writes the labels of `predict`: `SUBJECT.nii.gz`, on the grid of the subject's first file.

    Files have the values of labels of the dataset, and the affine and the header of the first file.
    Every process writes its own subjects.

    Args:
        folder: Where the files are written; created if absent.
    """

    default_name = "predictions"
    writes_folder = True

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._subjects: set[str] = set()

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with no files."""
        self._subjects.clear()
        self.folder.mkdir(parents=True, exist_ok=True)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the files of a batch."""
        values = np.array(task.label_values or range(task.num_classes), dtype=np.int32)
        for one in evaluated.predictions:
            subject, suffix = one["subject"], SUFFIXES[0]
            file = self.folder / f"{fit_name(subject, room=len(suffix))}{suffix}"
            write_labels(file, values[one["mask"].cpu().numpy()], one["path"])
            self._subjects.add(subject)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say how many files there are."""
        subjects = set().union(*gather_shares(self._subjects))
        if trainer.is_global_zero:
            sys.stdout.write(f"{len(subjects)} volumes of labels are in {self.folder}\n")
