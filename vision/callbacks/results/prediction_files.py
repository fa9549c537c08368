"""Predictions of any task: numbers as JSON lines, arrays as files of NumPy."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.named_files import name_files
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.documents.json_writing import to_json
from vision.errors import ConfigError
from vision.files import write_text
from vision.metrics.processes import gather_rows

LINES = "predictions.jsonl"
# Tensors with more numbers are written to their own files.
MAX_NUMBERS = 64


class PredictionFiles(PredictionWriter):
    """Writes the output of any task's `predict_step`.

    `predictions.jsonl` has a line per image, in the order of the dataset: `index`, `path` where the
    batch has one, and the prediction. A tensor of more than 64 numbers is written to
    `KEY/IMAGE.npy`, and the line has the name of this file.

    The task gives a mapping for each image of a batch, or one tensor `(B, ...)`.

    Args:
        folder: Where the files are written; created if absent.
    """

    default_name = "predictions"
    writes_folder = True

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._lines: dict[int, dict[str, Any]] = {}
        self._names: dict[str, str] = {}

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with no lines, and name the files.

        Raises:
            DataError: Two images would have one file.
        """
        self._lines = {}
        self._names = name_files(getattr(dataset, "paths", ()))

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the arrays of a batch and keep its lines.

        Raises:
            ConfigError: The task does not return mappings or a tensor.
        """
        found = _each(evaluated.predictions, task)
        paths = evaluated.batch.get("path", [None] * len(found))
        for place, path, one in zip(evaluated.places.tolist(), paths, found, strict=True):
            name = f"{place:06}" if path is None else self._names.get(path, Path(path).name)
            line = {"index": place, **({} if path is None else {"path": path})}
            self._lines[place] = {**line, **self._save(one, name.removesuffix(".png"))}

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the lines of all processes."""
        lines = gather_rows(self._lines)
        self._lines = {}
        if not trainer.is_global_zero:
            return
        text = "".join(f"{to_json(line)}\n" for line in lines.values())
        write_text(self.folder / LINES, text)
        sys.stdout.write(f"{len(lines)} predictions are in {self.folder}\n")

    def _save(self, prediction: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The line of a prediction."""
        line: dict[str, Any] = {}
        for key, value in prediction.items():
            if isinstance(value, Tensor) and value.numel() > MAX_NUMBERS:
                file = self.folder / key / f"{name}.npy"
                file.parent.mkdir(parents=True, exist_ok=True)
                array = value.cpu()
                np.save(file, (array.float() if array.is_floating_point() else array).numpy())
                line[key] = file.relative_to(self.folder).as_posix()
            else:
                line[key] = value.tolist() if isinstance(value, Tensor) else value
        return line


def _each(prediction: Any, task: torch.nn.Module) -> list[Mapping[str, Any]]:
    """One mapping per image."""
    if isinstance(prediction, Tensor) and prediction.ndim:
        return [{"prediction": one} for one in prediction]
    if isinstance(prediction, list | tuple) and all(isinstance(p, Mapping) for p in prediction):
        return list(prediction)
    raise ConfigError(
        f"predict_step of {type(task).__name__} gives a {type(prediction).__name__}: expected a "
        "list with a mapping for each image of the batch, or one tensor (B, ...)."
    )
