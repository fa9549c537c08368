"""Mean IoU of exported segmentors."""

from collections.abc import Mapping
from typing import Any

from torch.nn import functional as F

from vision.export.score import Outputs, Score
from vision.metrics.segmentation import SegmentationEvaluator


class MeanIoU(Score):
    """Mean over classes of intersection over union, in the pixels of the files.

    Predicted classes are resized to the file's size by nearest neighbour, since exported models
    return classes and not logits.

    Args:
        num_classes: Number of classes.
    """

    metric = "mIoU"

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.evaluator = SegmentationEvaluator(num_classes, boundary=False)

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add `labels` `(B, H, W)` for `mask` `(B, h, w)`."""
        for i, labels in enumerate(outputs["labels"]):
            height, width = batch["original_size"][i].tolist()
            found = F.interpolate(labels[None, None].float(), (height, width), mode="nearest-exact")
            target = batch["mask"][i, :height, :width]
            self.evaluator.update(found[0, 0].long(), target, where=batch["path"][i])
        self.images += len(outputs["labels"])

    def value(self) -> float:
        """The mean."""
        return self.evaluator.compute().mIoU


def mean_iou(task: Any, data: Any) -> MeanIoU:
    """The metric of a segmentor and its datamodule."""
    return MeanIoU(task.num_classes)
