"""The criterion of image classification."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.classification import ClassificationBatch, ClassificationOutputs


class ClassificationLoss(nn.Module):
    """Cross-entropy with class indices or class probabilities.

    Label smoothing ("Rethinking the Inception Architecture", 2016, section 7) belongs to training:
    in evaluation mode the plain cross-entropy is computed, by which recipes can be compared.

    Args:
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(
        self, outputs: ClassificationOutputs, batch: ClassificationBatch
    ) -> dict[str, Tensor]:
        """Compare logits `(B, K)` with labels, `(B,)` int64 or `(B, K)` probabilities.

        Returns:
            `{"loss_cls": ()}`, the mean over the batch, in float32 at least.
        """
        logits, labels = outputs["logits"], batch["label"]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if labels.is_floating_point():
            labels = labels.to(logits.dtype)
        smoothing = self.label_smoothing if self.training else 0.0
        return {"loss_cls": F.cross_entropy(logits, labels, label_smoothing=smoothing)}
