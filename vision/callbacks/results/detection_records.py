"""Records of a detector's evaluation, for its report."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.metrics.coco.metric import PackedPrediction
from vision.metrics.coco.table import CocoResult


class DetectionRecord(NamedTuple):
    """The detections in each image.

    Attributes:
        found: Predictions by image id, ascending.
        result: COCO's twelve numbers per IoU type, and the numbers of each category.
    """

    found: Mapping[int, PackedPrediction]
    result: CocoResult


class DetectionRecorder:
    """Reuses the compact predictions that the task's evaluator keeps for its own metrics."""

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Do nothing: the task collects."""

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Do nothing: the task collects."""

    def finish(self, trainer: Trainer, task: Any) -> DetectionRecord:
        """The predictions of all processes, on the first one."""
        return DetectionRecord(task.evaluator.gather(), task.coco_result)
