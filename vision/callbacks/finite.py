"""What happens when a loss or a gradient is infinite or not a number."""

import logging
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from vision.errors import NonFiniteError

logger = logging.getLogger(__name__)

NonFinite = Literal["stop", "skip"]
MOST_NAMED = 8


class Pending(NamedTuple):
    """A loss that is still to be looked at.

    Attributes:
        finite: bool `()` on the host, valid once `copied` has happened.
        copied: The end of the copy; None where there is nothing to wait for.
        loss: The loss `()`.
        batch: What it was computed from.
        place: Epoch, batch and step in words.
    """

    finite: Tensor
    copied: torch.Event | None
    loss: Tensor
    batch: Any
    place: str


class FiniteTraining(Callback):
    """Stops a training whose loss is not finite, or leaves out optimiser steps that are not.

    With "stop", the loss of a step is copied to the host before its backward pass and looked at
    when the next step starts, so that the device always has work meanwhile; and before a checkpoint
    is written, so that none holds what came of it. The error names the step and the images, and the
    batch, as the model saw it, is saved to `non_finite_rank_N.pt`. With "skip", the gradients are
    looked at, on all processes together, and a step with others than finite ones leaves weights and
    moments as they are; this waits for the device in each step.

    Args:
        folder: Where the batch is saved.
        action: `"stop"` or `"skip"`.

    Attributes:
        skipped: Number of optimiser steps left out.
    """

    def __init__(self, folder: Path, *, action: NonFinite = "stop") -> None:
        self.folder = folder
        self.action = action
        self.skipped = 0
        self._batch: Any = None
        self._pending: Pending | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Agree on the folder, which the first process has chosen."""
        self.folder = trainer.strategy.broadcast(self.folder)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at the loss of the step before."""
        self._check(trainer)
        self._batch = batch

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Start to copy what there is to look at."""
        if self.action != "stop":
            return
        finite = torch.isfinite(loss.detach()).to("cpu", non_blocking=True)
        copied = None
        if loss.device.type != "cpu":
            copied = torch.Event(device=loss.device.type)
            copied.record()
        place = (
            f"epoch {trainer.current_epoch}, batch {trainer.fit_loop.epoch_loop.batch_idx}, "
            f"optimiser step {trainer.global_step}"
        )
        self._pending = Pending(finite, copied, loss.detach(), self._batch, place)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the last step of an epoch."""
        self._check(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Look at the last step before a checkpoint is written."""
        self._check(trainer)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Leave out a step whose gradients are not finite."""
        if self.action != "skip":
            return
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        finite = torch.isfinite(nn.utils.get_total_norm(gradients))
        if not trainer.strategy.reduce_boolean_decision(bool(finite), all=True):
            # Without gradients an optimiser leaves a parameter and its moments alone.
            optimizer.zero_grad(set_to_none=True)
            self.skipped += 1
            logger.warning(
                "left out optimiser step %d of epoch %d: its gradients are not finite (%d so far).",
                trainer.global_step,
                trainer.current_epoch,
                self.skipped,
            )

    def _check(self, trainer: Trainer) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if pending.copied is not None:
            pending.copied.synchronize()
        if pending.finite:
            return
        path = self.folder / f"non_finite_rank_{trainer.global_rank}.pt"
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {key: value for key, value in pending.batch.items() if isinstance(value, Tensor)}
        torch.save({key: value.cpu() for key, value in tensors.items()}, path)
        raise NonFiniteError(
            f"the loss is {float(pending.loss)} ({pending.place}, process {trainer.global_rank}).\n"
            f"images: {_names(trainer, tensors.get('index'))}\n"
            f"The batch, normalised and mixed as the model saw it, is in {path}. Usual remedies: a "
            "smaller --model.optim.lr, a longer --model.optim.warmup_epochs, "
            "--trainer.gradient_clip_val 1, --trainer.precision bf16-mixed in place of 16-mixed; "
            "--non_finite skip goes on past such steps."
        )


def _names(trainer: Trainer, index: Tensor | None) -> str:
    """The images of a batch by path, where the dataset knows it, or by index."""
    if index is None:
        return "unknown, the datamodule gives no 'index'"
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    paths = getattr(getattr(data, "train_dataset", None), "paths", None)
    numbers = index.tolist()
    shown = [str(paths[i]) if paths is not None else str(i) for i in numbers[:MOST_NAMED]]
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return ", ".join(shown) + more
