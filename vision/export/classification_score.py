"""Top-1 accuracy of exported classifiers."""

from collections.abc import Mapping
from typing import Any

from vision.export.score import Outputs, Score


class TopOne(Score):
    """The share of images whose highest score belongs to their class.

    Args:
        task: The classifier.
        data: Its datamodule.
    """

    metric = "top1"

    def __init__(self, task: Any, data: Any) -> None:
        super().__init__()
        self.right = 0

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add `scores` `(B, K)` for `label` `(B,)`."""
        self.right += int((outputs["scores"].argmax(dim=1) == batch["label"]).sum())
        self.images += len(batch["label"])

    def value(self) -> float:
        """The share."""
        return self.right / max(self.images, 1)
