"""The linear classifier for images with any number of classes."""

from typing import Any

import torch

from vision.contracts.classification import ClassificationOutputs, MultiLabelPrediction
from vision.heads.classification.linear import LinearHead


class MultiLabelHead(LinearHead):
    """One linear layer, and a sigmoid for each class.

    Args:
        in_features: Width of the vector.
        num_classes: Number of classes.
        threshold: Probability above which a class counts as present.
        **options: Other arguments of `LinearHead`.
    """

    def __init__(
        self, in_features: int, *, num_classes: int, threshold: float = 0.5, **options: Any
    ) -> None:
        super().__init__(in_features, num_classes=num_classes, **options)
        self.threshold = threshold

    @torch.no_grad()
    def predict(self, outputs: ClassificationOutputs) -> list[MultiLabelPrediction]:  # type: ignore[override]
        """The classes that are present in each image of a batch, most probable first."""
        scores = outputs["logits"].float().sigmoid()  # (B, K)
        ranked = scores.argsort(dim=1, descending=True, stable=True)
        counts = (scores > self.threshold).sum(1).tolist()
        return [
            {"labels": order[:count], "scores": score}
            for order, count, score in zip(ranked, counts, scores, strict=True)
        ]
