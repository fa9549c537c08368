"""What a report needs of a `validate` or `test`: collected on the way, without a second run.

Each kind of task collects by a class of its own: the column `recorder` of `vision.kinds`.
"""

import math
import time
from typing import Any, NamedTuple, Protocol

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from vision.contracts.classes import known_classes
from vision.options import check_number
from vision.task_parts import find_part, kind_name


class Recorder(Protocol):
    """Collects for one task, in memory that does not grow with the size of images."""

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with nothing."""

    def take(self, task: Any, outputs: Any, batch: Any) -> None:
        """Take in a batch that counts: what its step returned, and the batch on the device."""

    def finish(self, trainer: Trainer, task: Any) -> Any:
        """What was collected, of all processes; every process calls it."""

    def stop(self) -> None:
        """Let go of the task, also after an error."""


class Record(NamedTuple):
    """One evaluation.

    Attributes:
        kind: Name of the kind of task, such as `"detection"`.
        task: Class of the task.
        stage: `"val"` or `"test"`.
        metrics: What was logged, by its name, such as `"val/box_AP"`.
        class_names: Name of each class by index; empty for a task without classes.
        images: Number of images that were evaluated.
        seconds: Time that the loop took, with reading the data.
        body: What the recorder of the task has collected.
    """

    kind: str
    task: type
    stage: str
    metrics: dict[str, float]
    class_names: tuple[str, ...]
    images: int
    seconds: float
    body: Any


class EvaluationRecords(Callback):
    """Collects what a report shows, in `validate` or `test`.

    It works with several processes: the first one gets the images of all.

    Args:
        limit: About so many images are evaluated, in whole batches; None for all.

    Attributes:
        record: The last evaluation; None before, and on other processes than the first.

    Raises:
        ConfigError: The limit is below 1.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        if limit is not None:
            check_number("limit", limit, minimum=1, unit="images")
        self.limit = limit
        self.record: Record | None = None
        self._recorder: Recorder | None = None
        self._images = 0
        self._start = 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the recorder of the task, and limit the number of batches.

        Raises:
            ConfigError: There is no recorder for the task.
        """
        self._recorder = find_part(pl_module, "recorder")()
        if self.limit is not None:
            data: Any = getattr(trainer, "datamodule", None)
            together = data.batch_size * trainer.world_size
            trainer.limit_val_batches = trainer.limit_test_batches = math.ceil(
                self.limit / together
            )

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begin(trainer, pl_module, "val_dataset")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begin(trainer, pl_module, "test_dataset")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take in a batch, unless it fills up the share of a process."""
        if trainer.sanity_checking or self._recorder is None or "repeated" in batch:
            return
        self._images += len(batch["image"])
        with torch.inference_mode():
            self._recorder.take(pl_module, outputs, batch)

    on_test_batch_end = on_validation_batch_end

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the record together."""
        self._end(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the record together."""
        self._end(trainer, pl_module, "test")

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Let go of the task."""
        if self._recorder is not None:
            self._recorder.stop()

    def _begin(self, trainer: Trainer, task: Any, dataset: str) -> None:
        self.record, self._images, self._start = None, 0, time.perf_counter()
        if self._recorder is not None:
            self._recorder.begin(trainer, task, getattr(trainer.datamodule, dataset, None))  # type: ignore[attr-defined]

    def _end(self, trainer: Trainer, task: Any, stage: str) -> None:
        if trainer.sanity_checking or self._recorder is None:
            return
        seconds = time.perf_counter() - self._start
        self._recorder.stop()
        images = sum(gather(trainer, self._images))
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
        )


def gather(trainer: Trainer, share: Any) -> list[Any]:
    """The objects of all processes, which all call it."""
    if trainer.world_size == 1:
        return [share]
    shares: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(shares, share)
    return shares
