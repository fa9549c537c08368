"""Records of an evaluation of boxes in space, for its report."""

from typing import Any, NamedTuple

from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.metrics.kitti.metric import Images
from vision.metrics.kitti.table import KittiScores


class Boxes3DRecord(NamedTuple):
    """The objects and the detections of each image.

    Attributes:
        images: By index in the dataset, ascending.
        result: Average precision of the classes that were evaluated.
    """

    images: Images
    result: KittiScores


class Boxes3DRecorder:
    """Reuses the objects that the task's evaluator keeps for its own metrics."""

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Do nothing: the task collects."""

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Do nothing: the task collects."""

    def finish(self, trainer: Trainer, task: Any) -> Boxes3DRecord:
        """The images of all processes."""
        return Boxes3DRecord(task.evaluator.gather(), task.kitti_result)
