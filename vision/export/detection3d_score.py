"""KITTI's average precision of exported detectors of boxes in space."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from vision.contracts.classes import known_classes
from vision.errors import DataError
from vision.export.score import Outputs, Score
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.metrics.kitti.metric import KittiEvaluator
from vision.ops.monocular_predictions import MonocularDetections


class AveragePrecision3D(Score):
    """Average precision in space of the first class, at moderate difficulty.

    Args:
        head: The detector's head, which orders detections.
        names: Name of each class by label.
        trained: Names of the classes that are evaluated.
        decimals: As in `KittiEvaluator`.
    """

    metric = "AP_3D"

    def __init__(
        self, head: MonoDETRHead, names: Sequence[str], trained: Sequence[str], *, decimals: int = 2
    ) -> None:
        super().__init__()
        self.head, self.names, self.trained = head, names, trained
        self.evaluator = KittiEvaluator(decimals=decimals)

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add the `MonocularDetections` of images for their `truth`."""
        found = self.head.predict(cast(MonocularDetections, outputs), batch["camera_size"])
        for one, truth in zip(found, batch["truth"], strict=True):
            self.evaluator.update(self.images, one, truth, self.names)
            self.images += 1

    def value(self) -> float:
        """The average over 40 recalls.

        Raises:
            DataError: No object counts.
        """
        value = self.evaluator.compute(self.trained).scalars()[self.metric]
        if math.isnan(value):
            raise DataError(
                f"none of {self.images:,} images has an object of moderate difficulty to measure "
                "with; give more images."
            )
        return value


def average_precision(task: Any, data: Any) -> AveragePrecision3D:
    """The metric of a detector of boxes in space and its datamodule."""
    names = known_classes(task, data)
    return AveragePrecision3D(
        task.head, names, data.trained or names, decimals=task.evaluator.decimals
    )
