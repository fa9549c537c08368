"""What a run writes into its folder: checkpoints and logs."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from vision.callbacks.last_checkpoint import LastCheckpoint
from vision.cli.metrics_log import MetricsLog
from vision.cli.runs import CHECKPOINTS


def keep_checkpoints(
    folder: Path, monitor: str | None, mode: str, *, every_steps: int | None
) -> list[Callback]:
    """Callbacks that keep `best.ckpt` and `last.ckpt` in the folder `checkpoints` of a run.

    Args:
        folder: Folder of the run.
        monitor: The logged metric that chooses the best; None takes the newest.
        mode: `"max"` or `"min"`.
        every_steps: Optimiser steps between two `last.ckpt` within an epoch; None for none.
    """
    best: dict[str, Any] = {"filename": "best", "monitor": monitor, "mode": mode}
    return [
        ModelCheckpoint(dirpath=folder / CHECKPOINTS, enable_version_counter=False, **best),
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
    tensorboard = TensorBoardLogger(
        save_dir=folder.parent.parent,
        name=folder.parent.name,
        version=folder.name,
        default_hp_metric=False,
        purge_step=resumed_step or None,
    )
    return [tensorboard, MetricsLog(folder, resumed_step=resumed_step)]
