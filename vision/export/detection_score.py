"""Average precision of exported detectors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from vision.contracts.detection import Detections
from vision.export.score import Outputs, Score
from vision.heads.detection.base import DetectionHead
from vision.metrics.detection_evaluators import build_evaluator


class AveragePrecision(Score):
    """Average precision of masks if the detector has them, otherwise of boxes.

    Args:
        head: The detector's head, which maps detections to the pixels of the files.
        ground_truth: Annotations in COCO's format, or their file.
        category_ids: Category id of each class in the dataset, by label.
        protocol: Whose rules are followed, by its name in `vision.metrics.detection_evaluators`.
    """

    def __init__(
        self,
        head: DetectionHead,
        ground_truth: Mapping[str, Any] | Path,
        category_ids: Any,
        *,
        protocol: str = "coco",
    ) -> None:
        super().__init__()
        self.head, self.ground_truth, self.category_ids = head, ground_truth, category_ids
        self.metric = "mask_AP" if head.has_masks else "box_AP"
        self.evaluator = build_evaluator(protocol, masks=head.has_masks)

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add the `Detections` of the images `image_id` `(B,)`."""
        found = self.head.predict(cast(Detections, outputs), batch["size"], batch["original_size"])
        self.evaluator.update(batch["image_id"], found)
        self.images += len(found)

    def value(self) -> float:
        """The average over the classes and over ten IoU thresholds."""
        result = self.evaluator.compute(self.ground_truth, category_ids=self.category_ids)
        return result.scalars()[self.metric]


def average_precision(task: Any, data: Any) -> AveragePrecision:
    """The metric of a detector and its datamodule."""
    return AveragePrecision(
        task.head,
        data.ground_truth("val"),
        data.category_ids,
        protocol=getattr(data, "evaluation", "coco"),
    )
