"""Records of a `validate` or `test` for its report, collected without a second run.

Each kind of task has its own class: the column `recorder` of `vision.kinds`.
"""

import math
import time
from typing import Any, NamedTuple, Protocol

import torch
from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.evaluated import Evaluated, EvaluatedBatches
from vision.callbacks.results.part_of_set import is_part
from vision.contracts.classes import known_classes
from vision.metrics.processes import gather_shares
from vision.options import check_number
from vision.task_parts import find_part, kind_name


class Recorder(Protocol):
    """Collects the record of one task; memory does not grow with the size of images."""

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with nothing."""

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Take in a batch."""

    def finish(self, trainer: Trainer, task: Any) -> Any:
        """The record of all processes; every process calls it."""


class Record(NamedTuple):
    """One evaluation.

    Attributes:
        kind: Name of the kind of task, such as `"detection"`.
        task: Class of the task.
        stage: `"val"` or `"test"`.
        metrics: Logged metrics by name, such as `"val/box_AP"`.
        class_names: Name of each class by index; empty for a task without classes.
        images: Number of evaluated images.
        seconds: Duration of the loop, including reading the data.
        body: The record of the task's recorder.
        part_of: Number of images of the set if only a part of them was evaluated; None for a whole
            set, and where the number is not known.
    """

    kind: str
    task: type
    stage: str
    metrics: dict[str, float]
    class_names: tuple[str, ...]
    images: int
    seconds: float
    body: Any
    part_of: int | None = None


class EvaluationRecords(EvaluatedBatches):
    """Collects the record for a report, in `validate` or `test`.

    It works with several processes: the first one gets the images of all.

    Args:
        limit: Approximate number of images to evaluate, in whole batches; None for all.

    Attributes:
        record: The last evaluation; None before, and on other processes than the first.

    Raises:
        ConfigError: The limit is below 1.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        if limit is not None:
            check_number("limit", limit, minimum=1, unit="images")
        super().__init__()
        self.limit = limit
        self.record: Record | None = None
        self._recorder: Recorder | None = None
        self._images = 0
        self._set_size: int | None = None
        self._start = 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the recorder of the task, and limit the number of batches.

        Raises:
            ConfigError: The task has no recorder.
        """
        self._recorder = find_part(pl_module, "recorder")()
        if self.limit is not None:
            data: Any = getattr(trainer, "datamodule", None)
            together = data.batch_size * trainer.world_size
            trainer.limit_val_batches = trainer.limit_test_batches = math.ceil(
                self.limit / together
            )

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin."""
        self.record, self._images, self._start = None, 0, time.perf_counter()
        self._set_size = len(dataset) if hasattr(dataset, "__len__") else None
        if self._recorder is not None:
            self._recorder.begin(trainer, task, dataset)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Take in a batch."""
        if self._recorder is not None:
            self._images += len(evaluated.predictions)
            with torch.inference_mode():
                self._recorder.take(task, evaluated)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the record together."""
        self._end(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the record together."""
        self._end(trainer, pl_module, "test")

    def _end(self, trainer: Trainer, task: Any, stage: str) -> None:
        if trainer.sanity_checking or self._recorder is None:
            return
        seconds = time.perf_counter() - self._start
        images = sum(gather_shares(self._images))
        body = self._recorder.finish(trainer, task)
        if not trainer.is_global_zero:
            return
        data: Any = getattr(trainer, "datamodule", None)
        self.record = Record(
            kind=kind_name(task),
            task=type(task),
            stage=stage,
            metrics={
                name: float(value)
                for name, value in trainer.callback_metrics.items()
                if name.startswith(f"{stage}/")
            },
            class_names=known_classes(task, data),
            images=images,
            seconds=seconds,
            body=body,
            part_of=self._set_size if is_part(trainer) else None,
        )
