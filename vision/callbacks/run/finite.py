"""Stop a training, or skip a step, when a loss or gradient is infinite or NaN."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from vision.callbacks.run.step_dump import (
    Replayed,
    is_finite,
    loss_terms,
    non_finite_gradients,
    random_state,
    save_step,
)
from vision.errors import NonFiniteError, listed
from vision.optim.fsdp2 import local_part
from vision.optim.sharding import drop_gathered

logger = logging.getLogger(__name__)

NonFinite = Literal["stop", "skip"]
MAX_NAMED = 8
# Half precision starts with a loss scale of 65536, which is halved after each overflow: gradients
# that still overflow at 1 do so without any scaling.
MIN_LOSS_SCALE = 1.0


class FiniteTraining(Callback):
    """Stops a training whose loss or gradient is not finite, or skips its optimiser step.

    Both are checked after each backward pass, before weights and moments change, so they and the
    checkpoints stay finite. This synchronises with the device once per batch. The step
    is written to `non_finite_step_N_rank_N.pt` (see `save_step`), from which `replay_step` runs it
    again; the message names it with the terms of the loss, parameters and images. With "skip", all
    processes skip an optimiser step that is not finite on one of them, and weights and moments
    stay unchanged.

    In half precision (`16-mixed`) the scaler handles overflowing gradients and skips their steps,
    unless they still overflow without loss scaling.

    Args:
        folder: Folder of the run.
        action: `"stop"` or `"skip"`.

    Attributes:
        skipped: Number of skipped optimiser steps.

    Raises:
        NonFiniteError: A loss or gradient is not finite, with "stop".
    """

    def __init__(self, folder: Path, *, action: NonFinite = "stop") -> None:
        self.folder = folder
        self.action = action
        self.skipped = 0
        self._batch: Any = None
        self._loss: Tensor | None = None
        self._random: dict[str, Tensor] = {}
        self._parameters: list[nn.Parameter] = []
        self._spoilt = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Agree on the folder, which the first process has chosen."""
        self.folder = trainer.strategy.broadcast(self.folder)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """List the parameters once: walking through the modules takes longer than the check."""
        drop_gathered(pl_module)  # with FSDP2 the gathered ones would be listed
        self._parameters = list(pl_module.parameters())

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Store the inputs of the step."""
        self._batch = batch
        self._random = random_state(pl_module.device)

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Store the loss."""
        self._loss = loss.detach()

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the loss and the gradients."""
        scaled = _scaler(trainer) is not None
        gradients = [] if scaled else self._gradients()
        # Once not finite, the accumulated gradients of a step stay so.
        if self._loss is not None and not self._spoilt and not is_finite(self._loss, gradients):
            self._act(trainer, pl_module, self._loss)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Check gradients that no scaler repairs, and skip the step if requested."""
        scaler, loss = _scaler(trainer), self._loss
        exhausted = scaler is not None and scaler.get_scale() <= MIN_LOSS_SCALE and not self._spoilt
        if exhausted and loss is not None and not is_finite(loss, self._gradients()):
            self._act(trainer, pl_module, loss)
        if self.action != "skip":
            return
        spoilt, self._spoilt = self._spoilt, False
        if not trainer.strategy.reduce_boolean_decision(not spoilt, all=True):
            # Without gradients an optimiser does not change a parameter and its moments.
            optimizer.zero_grad(set_to_none=True)
            self.skipped += 1
            logger.warning(
                "left out optimiser step %d of epoch %d: it is not finite (%d so far).",
                trainer.global_step,
                trainer.current_epoch,
                self.skipped,
            )

    def _gradients(self) -> list[Tensor]:
        return [local_part(p.grad) for p in self._parameters if p.grad is not None]

    def _act(self, trainer: Trainer, module: LightningModule, loss: Tensor) -> None:
        scaler = _scaler(trainer)
        value = float(loss) / (scaler.get_scale() if scaler else 1.0)
        result = Replayed(value, loss_terms(module), non_finite_gradients(module))
        where = self._write(trainer, module, result)
        place = (
            f"epoch {trainer.current_epoch}, batch {trainer.fit_loop.epoch_loop.batch_idx}, "
            f"optimiser step {trainer.global_step}, process {trainer.global_rank}"
        )
        message = f"{_what(result)} ({place}).\nimages: {_images(trainer, self._batch)}\n{where}"
        if self.action == "skip":
            self._spoilt = True
            logger.warning(message)
            return
        raise NonFiniteError(
            f"{message} Usual remedies: a smaller --model.optim.lr, a longer "
            "--model.optim.warmup_epochs, --trainer.gradient_clip_val 1, --trainer.precision "
            "bf16-mixed in place of 16-mixed; --non_finite skip leaves such steps out."
        )

    def _write(self, trainer: Trainer, module: LightningModule, result: Replayed) -> str:
        try:
            path = save_step(
                self.folder,
                trainer,
                module,
                batch=self._batch,
                random=self._random,
                result=result,
            )
        except (OSError, RuntimeError) as error:  # PyTorch reports a failed write as either
            return f"The step could not be written: {error}."
        if path is None:
            return f"{self.folder} has the maximum number of such files."
        return f"The step is in {path}; vision.callbacks.run.step_dump.replay_step runs it again."


def _scaler(trainer: Trainer) -> Any:
    """The gradient scaler of half precision; None otherwise."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    return scaler if scaler is not None and scaler.is_enabled() else None


def _what(result: Replayed) -> str:
    terms = [name for name, term in result.terms.items() if not abs(term) < float("inf")]
    if not abs(result.loss) < float("inf"):
        named = f" in its terms {', '.join(terms)}" if len(result.terms) > 1 and terms else ""
        return f"the loss is {result.loss}{named}"
    named = listed(result.parameters, maximum=MAX_NAMED)
    return f"the loss is {result.loss:.4g}, but the gradient is not finite of {named}"


def _images(trainer: Trainer, batch: Any) -> str:
    """The images of a batch by path if the dataset knows it, otherwise by index."""
    index = batch.get("index") if isinstance(batch, Mapping) else None
    if not isinstance(index, Tensor):
        return "unknown, the datamodule gives no 'index'"
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    paths = getattr(getattr(data, "train_dataset", None), "paths", None)
    numbers = index.tolist()
    return listed(numbers if paths is None else [paths[i] for i in numbers], maximum=MAX_NAMED)
