"""The linear classifier."""

import torch
from torch import Tensor, nn

from vision.contracts.classification import ClassificationOutputs, ClassificationPrediction
from vision.contracts.features import ClassRows


class LinearHead(nn.Module):
    """One linear layer on the vector of `Backbone.embed`.

    Args:
        in_features: Width of the vector.
        num_classes: Number of classes.
        dropout: Probability of dropping a value of the vector in training.
        init_scale: Factor on the initial weights.
    """

    def __init__(
        self,
        in_features: int,
        *,
        num_classes: int,
        dropout: float = 0.0,
        init_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.init_scale = init_scale
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_features, num_classes)
        self.reset_parameters()

    def forward(self, embedding: Tensor) -> ClassificationOutputs:
        """Map embeddings `(B, D)` to logits `(B, K)`."""
        return {"logits": self.fc(self.dropout(embedding))}

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        nn.init.trunc_normal_(self.fc.weight, std=0.02 * self.init_scale)
        nn.init.zeros_(self.fc.bias)

    def class_rows(self) -> dict[str, ClassRows]:
        """The parameters that have rows for classes, by their name within the head."""
        rows = ClassRows(groups=1, per_class=1, background=False)
        return {"fc.weight": rows, "fc.bias": rows}

    @torch.no_grad()
    def predict(self, outputs: ClassificationOutputs) -> list[ClassificationPrediction]:
        """Class and probabilities of each image of a batch."""
        scores = outputs["logits"].float().softmax(dim=-1)  # (B, K)
        labels = scores.argmax(dim=-1)  # (B,)
        return [
            {"label": label, "scores": score} for label, score in zip(labels, scores, strict=True)
        ]
