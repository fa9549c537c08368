"""Predicted classes as PNG files, one per image."""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated, gather
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.contracts.segmentation import IGNORED
from vision.draw.segmentation import class_palette
from vision.errors import ConfigError, DataError
from vision.files import fit_name
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
        counts = gather(trainer, len(self._writer))
        if trainer.is_global_zero:
            sys.stdout.write(f"{sum(counts)} label maps are in {self.folder}\n")


class MaskWriter:
    """Writes masks to PNG files that are named after their images.

    Args:
        folder: Where the files are written.
        names: Relative path of the file by path of the image; other images are named after the
            last part of their paths.
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
        self.folder = folder
        self.values = values
        self.palette = palette
        self._names = names
        self._written: dict[str, str] = {}

    def __len__(self) -> int:
        """Number of files."""
        return len(self._written)

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
        name = self.name_of(path)
        if self._written.setdefault(name, path) != path:
            raise _collision(self._written[name], path, name)
        labels = mask.to(torch.uint8).cpu().numpy()
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_labels(file, labels if self.values is None else self.values[labels], self.palette)
        return file

    def name_of(self, path: str) -> str:
        """Relative path of the file for an image."""
        return self._names.get(path) or f"{PurePath(path).stem}.png"


def name_files(paths: Iterable[str]) -> dict[str, str]:
    """Name a PNG file after each image.

    Args:
        paths: Paths of all images.

    Returns:
        The path of each image's file, by path of the image: relative to the common folder of all
        images, with the suffix replaced. Images that differ only in their suffixes keep them before
        the new one.

    Raises:
        DataError: Two images would have one file.
    """
    whole = {path: PurePath(os.path.abspath(path)) for path in paths}
    if not whole:
        return {}
    root = os.path.commonpath([path.parent for path in whole.values()])
    short = {path: place.relative_to(root) for path, place in whole.items()}
    counts = Counter(place.with_suffix("") for place in short.values())
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for path, place in short.items():
        unique = counts[place.with_suffix("")] == 1
        name = place.with_suffix(".png") if unique else place.with_name(f"{place.name}.png")
        names[path] = fit_name(name.as_posix())
        other = owners.setdefault(names[path], path)
        if whole[other] != whole[path]:
            raise _collision(other, path, names[path])
    return names


def data_palette(data: Any) -> np.ndarray:
    """The colours of a datamodule's classes, or ours for any number: uint8 `(K, 3)`."""
    palette = getattr(data, "palette", None)
    return class_palette(IGNORED) if palette is None else palette


def _collision(first: str, second: str, name: str) -> DataError:
    return DataError(
        f"the masks of '{first}' and '{second}' would both be written to '{name}': rename one of "
        "the images, or predict them in two runs."
    )
