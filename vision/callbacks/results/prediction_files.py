"""Predictions of any task: numbers as JSON lines, arrays as files of NumPy."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.evaluation_records import gather
from vision.callbacks.results.label_maps import name_files
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.documents.json_writing import to_json
from vision.errors import ConfigError
from vision.files import write_text

LINES = "predictions.jsonl"
# Tensors of more numbers are files of their own.
MAX_NUMBERS = 64


class PredictionFiles(PredictionWriter):
    """Writes what the `predict_step` of a task gives, whatever its kind.

    `predictions.jsonl` has a line per image, in the order of the dataset: `index`, `path` where the
    batch has one, and what was predicted. A tensor of more than 64 numbers is written to
    `KEY/IMAGE.npy`, and the line has that name.

    The task gives a mapping for each image of a batch, or one tensor `(B, ...)`.

    Args:
        folder: Where the files are written; it is made.
    """

    default_name = "predictions"
    writes_folder = True

    def __init__(self, folder: Path | str) -> None:
        super().__init__(write_interval="batch")
        self.folder = Path(folder)
        self._lines: dict[int, dict[str, Any]] = {}
        self._names: dict[str, str] = {}

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with no lines, and name the files.

        Raises:
            DataError: Two images would have one file.
        """
        data = getattr(trainer, "datamodule", None)
        self._lines = {}
        self._names = name_files(getattr(getattr(data, "predict_dataset", None), "paths", ()))

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write the arrays of a batch and keep its lines, unless it fills up a process's share.

        Raises:
            ConfigError: The task gives neither mappings nor a tensor.
        """
        keys = batch if isinstance(batch, Mapping) else {}
        if "repeated" in keys:
            return
        start = len(self._lines)
        found = _each(prediction, pl_module)
        indices = keys["index"].tolist() if "index" in keys else batch_indices
        indices = indices or range(start, start + len(found))
        paths = keys.get("path", [None] * len(found))
        for index, path, one in zip(indices, paths, found, strict=True):
            name = f"{index:06}" if path is None else self._names.get(path, Path(path).name)
            line = {"index": index, **({} if path is None else {"path": path})}
            self._lines[index] = {**line, **self._save(one, name.removesuffix(".png"))}

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the lines of all processes."""
        lines = {i: line for share in gather(trainer, self._lines) for i, line in share.items()}
        self._lines = {}
        if not trainer.is_global_zero:
            return
        text = "".join(f"{to_json(lines[index])}\n" for index in sorted(lines))
        write_text(self.folder / LINES, text)
        sys.stdout.write(f"{len(lines)} predictions are in {self.folder}\n")

    def _save(self, prediction: Mapping[str, Any], name: str) -> dict[str, Any]:
        """What a line says of a prediction."""
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
