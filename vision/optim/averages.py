"""Exponential moving average of the weights of a task."""

import logging
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from vision.optim.sharding import drop_gathered, own_tensors, sharded_model, write_whole
from vision.options import check_number

logger = logging.getLogger(__name__)

WEIGHTS_KEY = "ema_state_dict"
STATE_KEY = "ema"


class WeightAverage(Callback):
    """Averages the weights in training (EMA), and evaluates with them.

    After optimiser step t (from 0) each floating-point entry of the task's state dict, parameters
    and buffers alike, moves by `1 - d_t` towards its new value: `d_t = min(decay, (1 + t) /
    (10 + t))` with the warm-up, so that the first steps count for little, and `d_t = decay` without
    it. Other entries are copied. Averages of half-precision weights are kept in float32, in which
    small steps are not lost.

    Validation, test and prediction run with the averaged weights once there has been an update;
    afterwards the raw weights return bit for bit, also after an exception. A checkpoint's
    `state_dict` always holds the raw weights, its `ema_state_dict` the averaged ones under the
    same keys. Resuming a fit continues both exactly. Everything else that reads a checkpoint
    takes the averaged weights: `load_weights`, `load_from_checkpoint` and the trainer's
    `validate`, `test` and `predict`. The task object that `fit` leaves behind holds the raw ones.

    Args:
        decay: Largest weight of the old average, in (0, 1), such as 0.9999.
        warmup: Whether the weight of the old average rises to `decay`.

    Attributes:
        updates: Number of updates so far.
        weights: Averaged tensor by key of the task's state dict; empty before training.

    Raises:
        ConfigError: `decay` is out of range.
    """

    def __init__(self, decay: float, *, warmup: bool = True) -> None:
        check_number("ema_decay", decay, above=0, below=1)
        self.decay = decay
        self.warmup = warmup
        self.reset()

    def reset(self) -> None:
        """Forget all averages."""
        self.updates = 0
        self.weights: dict[str, Tensor] = {}
        self._raw: dict[str, Tensor] = {}
        self._last_step = 0
        self._loaded = False

    @torch.no_grad()
    def start(self, module: nn.Module) -> None:
        """Begin with the present weights, or continue with averages that were loaded."""
        self._take_pieces(module)
        present = own_tensors(module)
        source = self.weights or present
        self.weights = {
            key: source[key].to(tensor.device, _average_dtype(tensor), copy=True)
            for key, tensor in present.items()
        }

    def _take_pieces(self, module: nn.Module) -> None:
        """Where weights are spread over processes, keep of loaded averages what belongs here."""
        if not self._loaded or sharded_model(module) is None:
            return
        raw = {key: tensor.clone() for key, tensor in own_tensors(module).items()}
        write_whole(module, self.weights)
        pieces = own_tensors(module)
        self.weights = {key: tensor.clone() for key, tensor in pieces.items()}
        for key, tensor in pieces.items():
            tensor.copy_(raw[key])
        self._loaded = False

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the weights after an optimiser step."""
        rising = (1 + self.updates) / (10 + self.updates)
        decay = min(self.decay, rising) if self.warmup else self.decay
        averages, values = [], []
        for key, value in own_tensors(module).items():
            average = self.weights[key]
            if average.is_floating_point():
                averages.append(average)
                values.append(value.to(average.dtype))
            else:
                average.copy_(value)
        get_ema_multi_avg_fn(decay)(averages, values, None)
        self.updates += 1

    # Lightning evaluates in inference mode, whose tensors could not take part in training.
    @torch.inference_mode(False)
    @torch.no_grad()
    def lend(self, module: nn.Module) -> None:
        """Put the averaged weights into the module, if there has been an update."""
        if self.updates and not self._raw:
            self._take_pieces(module)
            drop_gathered(module)
            live = own_tensors(module)
            self._raw = {key: tensor.clone() for key, tensor in live.items()}
            for key, tensor in live.items():
                tensor.copy_(self.weights[key])

    @torch.inference_mode(False)
    @torch.no_grad()
    def restore(self, module: nn.Module) -> None:
        """Put the raw weights back, if averaged ones are lent."""
        if self._raw:
            drop_gathered(module)
            for key, tensor in own_tensors(module).items():
                tensor.copy_(self._raw[key])
            self._raw = {}

    def save(self, checkpoint: dict[str, Any], module: LightningModule) -> None:
        """Add the averages to a checkpoint, and see to it that its `state_dict` is raw."""
        if not self.updates:
            return
        checkpoint[STATE_KEY] = {"updates": self.updates, "decay": self.decay}
        if sharded_model(module) is None:
            checkpoint[WEIGHTS_KEY] = dict(self.weights)
            if self._raw:
                checkpoint["state_dict"] = dict(self._raw)
            return
        # Whole averages are gathered by way of the module, on all processes.
        lent, gather = bool(self._raw), module.trainer.strategy.lightning_module_state_dict
        self.lend(module)
        checkpoint[WEIGHTS_KEY] = gather()
        self.restore(module)
        if lent:
            checkpoint["state_dict"] = gather()
            self.lend(module)

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Continue with the averages of a checkpoint; without any, start new averages."""
        self.reset()
        if WEIGHTS_KEY in checkpoint:
            self.weights = dict(checkpoint[WEIGHTS_KEY])
            self._loaded = True
            self.updates = checkpoint[STATE_KEY]["updates"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, after a checkpoint has been restored."""
        self.start(pl_module)
        self._last_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update if this batch ended with an optimiser step; under accumulation few do."""
        if trainer.global_step != self._last_step:
            self._last_step = trainer.global_step
            self.update(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate with the averaged weights."""
        self.lend(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Return to the raw weights."""
        self.restore(pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test with the averaged weights."""
        self.lend(pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Return to the raw weights."""
        self.restore(pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Predict with the averaged weights."""
        self.lend(pl_module)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Return to the raw weights."""
        self.restore(pl_module)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Return to the raw weights when an evaluation fails."""
        self.restore(pl_module)


def load_for_training(average: WeightAverage | None, checkpoint: dict[str, Any]) -> None:
    """Continue the averages when a fit is resumed; the raw weights are the task's weights.

    Args:
        average: The task's average; None if it keeps none.
        checkpoint: What the trainer restores.
    """
    if average is not None:
        average.load(checkpoint)
    elif WEIGHTS_KEY in checkpoint:
        logger.warning(
            "the checkpoint has averaged weights, which this run drops: it has no ema_decay."
        )


def load_for_inference(
    average: WeightAverage | None, checkpoint: dict[str, Any], module: nn.Module
) -> None:
    """Make the averaged weights of a checkpoint, if it has any, the weights of the task.

    Args:
        average: The task's average, which is forgotten; None if it keeps none.
        checkpoint: What is being loaded; its `state_dict` is replaced.
        module: The task. Where its weights are spread over processes, the strategy has loaded the
            `state_dict` before, and the averages are written into the task here.
    """
    if average is not None:
        average.reset()
    if WEIGHTS_KEY in checkpoint:
        updates = checkpoint[STATE_KEY]["updates"]
        logger.info("using the averaged (EMA) weights of the checkpoint, %d updates.", updates)
        if sharded_model(module) is not None:
            write_whole(module, checkpoint[WEIGHTS_KEY])
        checkpoint["state_dict"] = checkpoint[WEIGHTS_KEY]


def _average_dtype(tensor: Tensor) -> torch.dtype:
    if tensor.is_floating_point():
        return torch.promote_types(tensor.dtype, torch.float32)
    return tensor.dtype
