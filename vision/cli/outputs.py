"""What a run writes into its folder: checkpoints, logs, and the results of its task."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from vision.callbacks.results.part_of_set import results_folder
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.callbacks.run.best_checkpoint import BestCheckpoint
from vision.callbacks.run.curves import TrainingCurves
from vision.callbacks.run.environment import Environment
from vision.callbacks.run.folds import FoldList
from vision.callbacks.run.last_checkpoint import LastCheckpoint
from vision.callbacks.run.train_batches import TrainBatches
from vision.cli.metrics_log import MetricsLog
from vision.cli.runs import CHECKPOINTS
from vision.cli.tensorboard_log import TensorBoardLog
from vision.errors import ConfigError
from vision.files import relative_path
from vision.outputs import check_output_file, check_output_folder
from vision.task_parts import find_part, find_parts

VALIDATION = "validation"


def keep_checkpoints(
    folder: Path, monitor: str | None, mode: str, *, every_steps: int | None
) -> list[Callback]:
    """Callbacks that keep `best.ckpt` and `last.ckpt` in the folder `checkpoints` of a run.

    Args:
        folder: Folder of the run.
        monitor: The logged metric that chooses the best; None uses the newest.
        mode: `"max"` or `"min"`.
        every_steps: Optimiser steps between two `last.ckpt` within an epoch; None for none.
    """
    best: dict[str, Any] = {"filename": "best", "monitor": monitor, "mode": mode}
    return [
        BestCheckpoint(dirpath=folder / CHECKPOINTS, enable_version_counter=False, **best),
        # One callback for each: save_last of Lightning writes only when the best improves.
        LastCheckpoint(folder / CHECKPOINTS / "last.ckpt", every_steps=every_steps),
    ]


def keep_logs(folder: Path, *, resumed_step: int) -> list[Logger]:
    """Loggers of a run: CSV and TensorBoard.

    Args:
        folder: Folder of the run.
        resumed_step: Optimiser steps that a resumed run has behind it; what was logged after them
            is dropped. 0 for a new run.
    """
    return [
        TensorBoardLog(folder, resumed_step=resumed_step),
        MetricsLog(folder, resumed_step=resumed_step),
    ]


def record_run(folder: Path, *, title: str, command: Sequence[str]) -> list[Callback]:
    """Callbacks that record the environment and course of a training, for any task.

    Args:
        folder: Folder of the run.
        title: Name of the run.
        command: The words that begin the run again.
    """
    environment = Environment(folder, command=command)
    curves = TrainingCurves(folder, title=title)
    return [environment, FoldList(folder), TrainBatches(folder), curves]


def show_results(task: LightningModule, folder: Path, *, fits: bool) -> list[Callback]:
    """Callbacks that write and draw what a task achieves on its validation set.

    Args:
        task: The task.
        folder: Folder of the run.
        fits: Whether it is trained, or only evaluated.
    """
    results = find_parts(task, "result_callbacks")
    return [
        *(build(folder) for build in find_parts(task, "fit_callbacks") if fits),
        *(build(folder / VALIDATION) for build in results),
    ]


class ResultsNotice(Callback):
    """Says where `validate` writes if only a part of the set is evaluated, and what is replaced.

    Args:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print a line, if there is something to say."""
        place = results_folder(trainer, self.folder / VALIDATION)
        tell_of_results(pl_module, self.folder, name=place.name)


@rank_zero_only
def tell_of_results(task: LightningModule, folder: Path, *, name: str = VALIDATION) -> None:
    """Announce if `validate` writes of a part of the set, or replaces earlier results.

    Args:
        task: The task.
        folder: Folder of the run.
        name: Folder of the results within it.
    """
    if not find_parts(task, "result_callbacks"):
        return
    if name != VALIDATION:
        place = relative_path(folder / name)
        sys.stdout.write(f"Only a part of the set is evaluated: its results go to {place}.\n")
    _tell_of_replaced(folder / name)


@rank_zero_only
def _tell_of_replaced(place: Path) -> None:
    """Announce that an existing file, or files of a folder, will be overwritten."""
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        sys.stdout.write(f"{relative_path(place)} was there before: it is replaced.\n")


@rank_zero_only
def show_metrics(trainer: Trainer, prefix: str) -> None:
    """Print the metrics of an evaluation, a line each.

    Args:
        trainer: The trainer that has evaluated.
        prefix: Beginning of their names, such as `"val/"`.
    """
    metrics = trainer.callback_metrics
    names = sorted(name for name in metrics if name.startswith(prefix))
    width = max(map(len, names), default=0)
    lines = [f"{name:<{width}}  {float(metrics[name]):.4f}\n" for name in names]
    sys.stdout.write("".join(lines))


def predictions_path(task: type, folder: Path, given: str | None) -> Path:
    """Where `predict` writes, checked before the model is built.

    Args:
        task: Class of the task.
        folder: Folder of the run, for a path of the usual name.
        given: The file or folder, as the task writes it; None uses the usual one.

    Raises:
        ConfigError: It cannot be written, for example because a folder has the file's name.
    """
    if given == "":
        raise ConfigError("--output needs a path; it is empty.")
    writer: type[PredictionWriter] = find_part(task, "prediction_writer")
    path = Path(given or folder / writer.default_name)
    check = check_output_folder if writer.writes_folder else check_output_file
    return check(path, option="--output")


def write_predictions(task: LightningModule, path: Path) -> Callback:
    """The callback that writes a task's predictions to the path of `predictions_path`."""
    _tell_of_replaced(path)
    return find_part(task, "prediction_writer")(path)
