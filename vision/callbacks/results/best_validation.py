"""Base class of callbacks that write the results of `validate`, or of the best epoch in `fit`."""

from abc import ABC, abstractmethod
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from vision.callbacks.results.evaluated import EvaluatedBatches
from vision.callbacks.run.best_checkpoint import is_measured


class BestValidation(EvaluatedBatches, ABC):
    """A callback that writes after `validate`, and in `fit` after the best epoch so far.

    The task's monitored metric decides. Among equals the earliest is best, as for the best
    checkpoint, so that files and checkpoint agree.
    """

    def __init__(self) -> None:
        super().__init__()
        self._best: float | None = None

    @abstractmethod
    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write; called on every process."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write, if this validation is the best so far."""
        if not trainer.sanity_checking and self._is_best(trainer, pl_module):
            self.write(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """The best value so far, for resuming."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best value so far."""
        self._best = state_dict["best"]

    def _is_best(self, trainer: Trainer, pl_module: LightningModule) -> bool:
        if trainer.state.fn != TrainerFn.FITTING:
            return True
        name, mode = pl_module.monitor  # type: ignore[misc]
        value = trainer.callback_metrics.get(name)
        if value is None:
            return True
        now, best = float(value), self._best
        if not is_measured(now):
            return False
        if best is not None and not (now > best if mode == "max" else now < best):
            return False
        self._best = now
        return True
