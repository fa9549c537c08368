"""What a report needs of the evaluation of a detector."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.metrics.coco.metric import PackedPrediction
from vision.metrics.coco.table import CocoResult


class DetectionRecord(NamedTuple):
    """What was found in each image.

    Attributes:
        found: Predictions by image id, ascending.
        result: The twelve numbers per kind, and those of each category.
    """

    found: Mapping[int, PackedPrediction]
    result: CocoResult


class DetectionRecorder:
    """Takes over what the task's evaluator has kept, in little memory, for its own numbers."""

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Nothing: the task collects."""

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Nothing: the task collects."""

    def finish(self, trainer: Trainer, task: Any) -> DetectionRecord:
        """The predictions of all processes, on the first one."""
        return DetectionRecord(task.evaluator.gather(), task.coco_result)
