"""The hook for each batch that a task evaluates or predicts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor


class Evaluated(NamedTuple):
    """An evaluated batch with its predictions.

    Attributes:
        batch: The batch as the task's step had it, on the device, with its targets; empty if it is
            not a mapping.
        predictions: Prediction of each sample, as from `predict_step`.
        places: int64 `(B,)`, index of each sample in its dataset.
    """

    batch: Mapping[str, Any]
    predictions: Sequence[Any]
    places: Tensor


class EvaluatedBatches(BasePredictionWriter):
    """Base class of callbacks that receive each evaluated batch: recorders, pictures, result files.

    A subclass implements `begin` and `take`; the model is never run again for them. Batches of the
    sanity check, and batches that pad the share of a process, are skipped. The task returns
    `{"predictions": [...]}` from its steps of validation and test, as `BaseTask` does, and a list
    from its prediction step; tasks that return nothing give nothing.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")
        self._taken = 0

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Called before the first batch of an evaluation or prediction; by default nothing.

        Args:
            trainer: The trainer.
            task: Its task.
            dataset: The datamodule's dataset, or None.
        """

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Process a batch; by default nothing."""

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begin(trainer, pl_module, "val_dataset")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begin(trainer, pl_module, "test_dataset")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begin(trainer, pl_module, "predict_dataset")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Pass on a batch of the validation or test set."""
        found = outputs.get("predictions") if isinstance(outputs, Mapping) else None
        self._hand_over(trainer, pl_module, batch, found)

    on_test_batch_end = on_validation_batch_end

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
        """Pass on a batch of `predict`."""
        self._hand_over(trainer, pl_module, batch, prediction, batch_indices)

    def _begin(self, trainer: Trainer, task: Any, dataset: str) -> None:
        self._taken = 0
        self.begin(trainer, task, getattr(getattr(trainer, "datamodule", None), dataset, None))

    def _hand_over(
        self,
        trainer: Trainer,
        task: Any,
        batch: Any,
        found: Sequence[Any] | None,
        places: Sequence[int] | None = None,
    ) -> None:
        keys = batch if isinstance(batch, Mapping) else {}
        if found is None or trainer.sanity_checking or "repeated" in keys:
            return
        count = 0 if isinstance(found, Tensor) and not found.ndim else len(found)
        if "index" in keys:
            known = keys["index"]
        elif places:
            known = torch.tensor(places)
        else:  # each of n processes has every n-th sample
            first = self._taken * trainer.world_size + trainer.global_rank
            known = first + trainer.world_size * torch.arange(count)
        self._taken += count
        self.take(trainer, task, Evaluated(keys, found, known))
