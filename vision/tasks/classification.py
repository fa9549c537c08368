"""Image classification.

head         vision/heads/classification/linear.py
losses       vision/losses/classification.py
metrics      top-1 and top-5 accuracy, torchmetrics
datamodules  vision.data.Digits, vision.data.ImageFolder
configs      configs/classification/
"""

from typing import Any

import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

from vision.contracts.classification import ClassificationPrediction
from vision.tasks.classifier import Classifier
from vision.tasks.first_batch import Stage, check_labels


class Classification(Classifier):
    """Image classification by a linear layer on the vector that the paper's classifier uses.

    Logs `train/loss`, `lr`, and per evaluation `val/loss`, `val/top1` and `val/top5` (or `test/`):
    accuracies are fractions; with fewer than five classes, `top5` counts all of them. Takes the
    arguments of `Classifier`.
    """

    kind = "classification"
    monitor = ("val/top1", "max")

    def metrics(self) -> MetricCollection:
        """Metrics of an evaluation by name, of `scores` and labels."""
        # Argument checks look for unique labels, which synchronises with the device every step.
        tops = {"top1": 1, "top5": min(5, self.num_classes)}
        options: dict[str, Any] = {"average": "micro", "validate_args": False}
        return MetricCollection(
            {
                name: MulticlassAccuracy(self.num_classes, top_k=k, **options)
                for name, k in tops.items()
            }
        )

    def metrics_by_class(self) -> MetricCollection:
        """Metrics `(K,)` of each class by name."""
        options: dict[str, Any] = {"average": "none", "validate_args": False}
        return MetricCollection(
            {
                "recall": MulticlassRecall(self.num_classes, **options),
                "precision": MulticlassPrecision(self.num_classes, **options),
                "f1": MulticlassF1Score(self.num_classes, **options),
            }
        )

    def check_labels(self, labels: Any, count: int, stage: Stage) -> None:
        """Check class indices, or probabilities in training."""
        check_labels(
            labels,
            count=count,
            num_classes=self.num_classes,
            soft=stage == "train" and not self.mixer.mixes,
        )

    def name_classes(self, predictions: list[ClassificationPrediction]) -> None:
        """Add the name of its class to each prediction."""
        labels = torch.stack([prediction["label"] for prediction in predictions]).tolist()
        for prediction, label in zip(predictions, labels, strict=True):
            prediction["name"] = self.class_name(label)
