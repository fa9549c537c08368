"""Predicted boxes in space: a line per image, and KITTI's text per image."""

import sys
from pathlib import Path, PurePath
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.named_files import NamedFiles, name_files
from vision.callbacks.results.prediction_files import PredictionFiles
from vision.contracts.detection3d import Boxes3DPrediction
from vision.files import write_text
from vision.metrics.kitti.objects import is_kitti, kitti_text
from vision.metrics.processes import gather_shares
from vision.ops.boxes3d_rows import object_rows

# Folder of the files in KITTI's text.
KITTI = "kitti"


class Boxes3DPredictions(PredictionFiles):
    """Writes the boxes of `predict`.

    `predictions.jsonl` has a line per image or sweep, with its `objects`, and `kitti/*.txt` the
    text that `vision evaluate kitti` reads, if it has names for all classes of the task: a file is
    named after its image. Every process writes those of its own images.

    Args:
        folder: Where the files are written; created if absent.
    """

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self._kitti: KittiWriter | None = None

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with no lines, and name the files.

        Raises:
            DataError: Two images would have one file.
        """
        super().begin(trainer, task, dataset)
        files = name_files(getattr(dataset, "paths", ()))
        known = is_kitti(task.class_names or ())
        self._kitti = KittiWriter(self.folder, files, task) if known else None

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the text of a batch and keep its lines."""
        names = task.class_names or ()
        rows = [{"objects": object_rows(one, names)} for one in evaluated.predictions]
        super().take(trainer, task, evaluated._replace(predictions=rows))
        if self._kitti is None:
            return
        for path, one in zip(evaluated.batch["path"], evaluated.predictions, strict=True):
            self._kitti.write(path, one)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the lines of all processes."""
        super().on_predict_end(trainer, pl_module)
        counts = gather_shares(0 if self._kitti is None else len(self._kitti))
        if trainer.is_global_zero and sum(counts) > 0:
            sys.stdout.write(f"KITTI's text of them is in {self.folder / KITTI}\n")


class KittiWriter(NamedFiles):
    """Writes files in KITTI's text that are named after their images.

    Args:
        folder: Where the folder of files is made.
        names: As in `NamedFiles`.
        task: A task with `class_names`, and an `evaluator` that says how many decimals are written.
    """

    def __init__(self, folder: Path, names: dict[str, str], task: Any) -> None:
        super().__init__(folder / KITTI, names)
        self.task = task

    def name_of(self, path: str) -> str:
        """Relative path of the file for an image."""
        return PurePath(super().name_of(path)).with_suffix(".txt").as_posix()

    def write(self, path: str, prediction: Boxes3DPrediction) -> Path:
        """Write what was found in an image.

        Args:
            path: Path of the image.
            prediction: The objects.

        Returns:
            The file.

        Raises:
            DataError: The file belongs to another image already.
        """
        file, decimals = self.take(path), self.task.evaluator.decimals
        write_text(file, kitti_text(prediction, self.task.class_names, decimals=decimals))
        return file
