"""A learning rate that falls when the task's main metric no longer improves."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vision.errors import ConfigError, listed
from vision.optim.settings import OptimSettings

# An improvement by a smaller share is none: PyTorch's default.
THRESHOLD = 1e-4
# What belongs to the config and not to the state of a training.
_CONFIGURED = ("settings", "maximises")


class PlateauLR(LambdaLR):
    """A schedule of steps that is multiplied by `gamma` at each plateau of a metric.

    It falls as PyTorch's `ReduceLROnPlateau` does, with a relative threshold of 1e-4. As a
    schedule of steps it has a warm-up, groups that keep their factors, and a state of plain values.

    Args:
        optimizer: The optimiser.
        rate: Factor on the learning rate at a step, without the falls.
        settings: `gamma`, `patience`, `lr` and `min_lr`.
        mode: Whether the metric is better at its `"min"` or `"max"`.

    Attributes:
        falls: How often the learning rate has fallen.
        best: Best value of the metric so far; None before the first.
        waited: Validations since then, or since the last fall.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        rate: Callable[[int], float],
        settings: OptimSettings,
        *,
        mode: str,
    ) -> None:
        self.settings = settings
        self.maximises = mode == "max"
        self.falls = 0
        self.best: float | None = None
        self.waited = 0
        super().__init__(optimizer, lambda step: rate(step) * self._reduction())

    def observe(self, value: float) -> None:
        """Take in the metric of a validation, and reduce the learning rate at a plateau."""
        if self._improves(value):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.waited > self.settings.patience:
            self.falls, self.waited = self.falls + 1, 0
            self._apply()

    def state_dict(self) -> dict[str, Any]:
        """The state, without what the config says."""
        state = super().state_dict()
        return {key: value for key, value in state.items() if key not in _CONFIGURED}

    def _reduction(self) -> float:
        lowest = self.settings.min_lr / self.settings.lr
        return max(self.settings.gamma**self.falls, lowest)

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return not math.isnan(value)
        if self.maximises:
            return value > self.best * (1 + THRESHOLD)
        return value < self.best * (1 - THRESHOLD)

    def _apply(self) -> None:
        rates = [
            base * factor(self.last_epoch)
            for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates


class PlateauWatch(Callback):
    """Shows each validation's metric to the schedule, before a checkpoint of it is written.

    Args:
        metric: Name of the metric, such as `"val/top1"`.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show it; Lightning runs callbacks that write checkpoints after all others.

        Raises:
            ConfigError: The validation has not logged the metric.
        """
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        value = trainer.callback_metrics.get(self.metric)
        if value is None:
            logged = [name for name in trainer.callback_metrics if name.startswith("val/")]
            raise ConfigError(
                f"optim.lr_schedule='plateau' watches {self.metric}, which the validation has not "
                f"logged; it has logged {listed(logged) or 'nothing'}. Choose another lr_schedule."
            )
        schedule: Any = trainer.lr_scheduler_configs[0].scheduler
        schedule.observe(float(value))


def plateau_watch(
    settings: OptimSettings, metric: str, present: Sequence[Callback]
) -> list[PlateauWatch]:
    """The callback that a schedule needs.

    Args:
        settings: The settings of the schedule.
        metric: The task's main metric.
        present: Callbacks that the trainer has already.
    """
    if settings.lr_schedule != "plateau" or any(isinstance(one, PlateauWatch) for one in present):
        return []
    return [PlateauWatch(metric)]


def check_validated(trainer: Trainer, settings: OptimSettings) -> None:
    """Raise a `ConfigError` if "plateau" is chosen for a training without validation."""
    if settings.lr_schedule == "plateau" and not trainer.enable_validation:
        raise ConfigError(
            "optim.lr_schedule='plateau' needs a validation, and this training has none: see "
            "trainer.limit_val_batches. Choose another lr_schedule without one."
        )
