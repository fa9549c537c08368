"""The checkpoint from which an interrupted run resumes."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException


class LastCheckpoint(Checkpoint):
    """Overwrites one file after each epoch, within epochs, and when asked to stop (SIGTERM).

    Args:
        path: The file.
        every_steps: Optimiser steps between two checkpoints within an epoch; None for none.
    """

    def __init__(self, path: Path, *, every_steps: int | None) -> None:
        self.path = path
        self.every_steps = every_steps
        self._saved_step = self._last_step = 0
        self._stepped = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the step at which a resumed run continues."""
        self._saved_step = self._last_step = trainer.global_step
        self._stepped = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save within an epoch."""
        self._stepped = trainer.global_step != self._last_step
        self._last_step = trainer.global_step
        due = self.every_steps and trainer.global_step % self.every_steps == 0
        # The end of the epoch, with its validation, is about to be saved anyway.
        if due and self._stepped and not trainer.is_last_batch:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the epoch's validation."""
        self._save(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save when the process was asked to stop, which takes effect between two batches.

        Between two batches of one optimiser step there are gradients, which no checkpoint holds:
        the run then resumes from the checkpoint before.
        """
        asked_to_stop = isinstance(exception, SIGTERMException)
        if asked_to_stop and self._stepped and trainer.global_step != self._saved_step:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self._saved_step = trainer.global_step
