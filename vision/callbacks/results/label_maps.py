"""Predicted classes as PNG files, one per image."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.named_files import NamedFiles, name_files
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.contracts.segmentation import IGNORED
from vision.draw.segmentation import class_palette
from vision.errors import ConfigError
from vision.metrics.processes import gather_shares
from vision.ops.label_images import write_labels


class LabelMaps(PredictionWriter):
    """Writes the masks of `predict`: a PNG for each image, in the size of its file.

    A file is named after its image, with the suffix `.png`; images of several folders keep their
    folders, below the common one. Every process writes its own images.

    Args:
        folder: Where the files are written; created if absent.
        values: uint8 `(K,)`, the value of each class in grey files. None uses
            the datamodule's `prediction_values`; without these, a file holds class indices.
        palette: uint8 `(K, 3)`, the colours of class indices. None uses the datamodule's `palette`
            or else ours.

    Raises:
        ConfigError: `values` are not uint8 `(K,)`.
    """

    default_name = "predictions"
    writes_folder = True

    def __init__(
        self,
        folder: Path | str,
        *,
        values: np.ndarray | None = None,
        palette: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        if values is not None and (values.dtype != np.uint8 or values.ndim != 1):
            raise ConfigError(
                f"values are {values.dtype} {values.shape}: expected uint8 (K,), one per class."
            )
        self.folder = Path(folder)
        self.values = values
        self.palette = palette
        self._writer: MaskWriter | None = None

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Name the files.

        Raises:
            DataError: Two images would have one file.
        """
        data = getattr(trainer, "datamodule", None)
        values = self.values
        if values is None:
            values = getattr(data, "prediction_values", None)
        palette = None
        if values is None:
            palette = data_palette(data) if self.palette is None else self.palette
        names = name_files(getattr(dataset, "paths", ()))
        self._writer = MaskWriter(self.folder, names, values=values, palette=palette)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the files of a batch."""
        assert self._writer is not None, "it begins first"
        for path, one in zip(evaluated.batch["path"], evaluated.predictions, strict=True):
            self._writer.write(path, one["mask"])

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say how many files there are."""
        assert self._writer is not None, "it begins first"
        counts = gather_shares(len(self._writer))
        if trainer.is_global_zero:
            sys.stdout.write(f"{sum(counts)} label maps are in {self.folder}\n")


class MaskWriter(NamedFiles):
    """Writes masks to PNG files that are named after their images.

    Args:
        folder: Where the files are written.
        names: As in `NamedFiles`.
        values: uint8 `(K,)`, value of each class in the files; None for the class index.
        palette: uint8 `(K, 3)`, colours; None writes grey images.
    """

    def __init__(
        self,
        folder: Path,
        names: dict[str, str],
        *,
        values: np.ndarray | None = None,
        palette: np.ndarray | None = None,
    ) -> None:
        super().__init__(folder, names)
        self.values = values
        self.palette = palette

    def write(self, path: str, mask: Tensor) -> Path:
        """Write the classes found in an image.

        Args:
            path: Path of the image.
            mask: Integers `(H, W)`, class index of each pixel.

        Returns:
            The file.

        Raises:
            DataError: The file cannot be written, or belongs to another image already.
        """
        file = self.take(path)
        labels = mask.to(torch.uint8).cpu().numpy()
        write_labels(file, labels if self.values is None else self.values[labels], self.palette)
        return file


def data_palette(data: Any) -> np.ndarray:
    """The colours of a datamodule's classes, or ours for any number: uint8 `(K, 3)`."""
    palette = getattr(data, "palette", None)
    return class_palette(IGNORED) if palette is None else palette
