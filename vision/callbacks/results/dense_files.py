"""Predicted depth and normals as PNG files of 16 bits, one per image."""

import sys
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.dense_maps import DEPTH, NORMALS, DenseMaps
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.named_files import NamedFiles, name_files
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.metrics.processes import gather_shares


class DenseFiles(PredictionWriter):
    """Writes the maps of `predict`: a PNG for each image, in the size of its file.

    A file is named after its image, with the suffix `.png`; images of several folders keep their
    folders, below the common one. Every process writes its own images.

    Args:
        folder: Where the files are written; created if absent.
    """

    default_name = "predictions"
    writes_folder = True
    maps: ClassVar[DenseMaps]

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._writer: DenseWriter | None = None

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Name the files.

        Raises:
            DataError: Two images would have one file.
        """
        names = name_files(getattr(dataset, "paths", ()))
        self._writer = DenseWriter(self.folder, names, maps=self.maps, task=task)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the files of a batch."""
        assert self._writer is not None, "it begins first"
        for path, one in zip(evaluated.batch["path"], evaluated.predictions, strict=True):
            self._writer.write(path, one[self.maps.key])

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say how many files there are."""
        assert self._writer is not None, "it begins first"
        counts = gather_shares(len(self._writer))
        if trainer.is_global_zero:
            sys.stdout.write(f"{sum(counts)} maps of {self.maps.key} are in {self.folder}\n")


class DepthFiles(DenseFiles):
    """Writes predicted depth: 16 bits, with the value of one metre in the text of each file.

    Args:
        folder: Where the files are written; created if absent.
    """

    maps = DEPTH


class NormalsFiles(DenseFiles):
    """Writes predicted normals: RGB of 16 bits, each component n as (n + 1) / 2.

    Args:
        folder: Where the files are written; created if absent.
    """

    maps = NORMALS


class DenseWriter(NamedFiles):
    """Writes maps to PNG files that are named after their images.

    Args:
        folder: Where the files are written.
        names: As in `NamedFiles`.
        maps: What a map holds.
        task: The task that predicts them.
    """

    def __init__(self, folder: Path, names: dict[str, str], *, maps: DenseMaps, task: Any) -> None:
        super().__init__(folder, names)
        self.maps = maps
        self.task = task

    def write(self, path: str, values: Tensor) -> Path:
        """Write what is predicted for an image.

        Args:
            path: Path of the image.
            values: `(H, W)`, or `(3, H, W)` of normals.

        Returns:
            The file.

        Raises:
            DataError: The file belongs to another image already.
        """
        file = self.take(path)
        self.maps.write(file, values, self.task)
        return file
