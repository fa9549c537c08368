"""Classification of images that have any number of classes.

head         vision/heads/classification/multilabel.py
losses       vision/losses/classification.py
metrics      mean average precision and F1, torchmetrics
datamodules  vision.data.MultiLabelFolder
configs      configs/multilabel/
"""

from typing import Any

from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MultilabelAveragePrecision,
    MultilabelF1Score,
    MultilabelPrecision,
    MultilabelRecall,
)

from vision.backbones.base import Backbone
from vision.contracts.classification import ClassificationOutputs
from vision.errors import ConfigError
from vision.heads.classification.multilabel import MultiLabelHead
from vision.keywords import Unpack
from vision.losses.classification import LossSettings
from vision.options import check_number, read_options
from vision.tasks.classifier import Classifier, ClassifierTraining
from vision.tasks.first_batch import Stage, check_label_sets

BINARY = LossSettings(name="bce")


class MultiLabel(Classifier):
    """Classification with one sigmoid per class: an image has several classes, one, or none.

    Logs `train/loss`, `lr`, and per evaluation `val/loss`, `val/mAP` and `val/F1` (or `test/`):
    the means over the classes of the average precision, and of F1 at `threshold`. Classes that no
    image of the set has are left out of mAP.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone`.
        num_classes: Number of classes.
        threshold: Probability above which a class counts as present.
        label_smoothing: Share by which targets move from 0 and 1 towards a half in training.
        loss: The loss and its options: "bce" or "focal".
        **options: Other arguments of `Classifier`.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "multilabel"
    monitor = ("val/mAP", "max")
    multi_label = True
    head: MultiLabelHead

    def __init__(
        self,
        backbone: str | Backbone | None = "convnext_tiny",
        num_classes: int = 80,
        *,
        threshold: float = 0.5,
        label_smoothing: float = 0.0,
        loss: LossSettings = BINARY,
        **options: Unpack[ClassifierTraining],
    ) -> None:
        check_number("threshold", threshold, above=0, below=1)
        self._threshold = threshold
        loss = read_options(LossSettings, loss, group="loss")
        if loss.name == "cross_entropy":
            raise ConfigError(
                "loss.name='cross_entropy' knows one class per image; for any number of them "
                "choose 'bce' or 'focal'."
            )
        super().__init__(
            backbone, num_classes, label_smoothing=label_smoothing, loss=loss, **options
        )

    def build_head(self, *, dropout: float, init_scale: float) -> MultiLabelHead:
        """The layer on top of the backbone."""
        return MultiLabelHead(
            self.backbone.embed_dim,
            num_classes=self.num_classes,
            threshold=self._threshold,
            dropout=dropout,
            init_scale=init_scale,
        )

    def metrics(self) -> MetricCollection:
        """Means over the classes."""
        options: dict[str, Any] = {"num_labels": self.num_classes, "validate_args": False}
        return MetricCollection(
            {
                "mAP": MultilabelAveragePrecision(**options),
                "F1": MultilabelF1Score(threshold=self._threshold, **options),
            }
        )

    def metrics_by_class(self) -> MetricCollection:
        """Metrics `(K,)` of each class by name."""
        options: dict[str, Any] = {"average": "none", "validate_args": False}
        options |= {"num_labels": self.num_classes}
        at: dict[str, Any] = {"threshold": self._threshold}
        return MetricCollection(
            {
                "average_precision": MultilabelAveragePrecision(**options),
                "recall": MultilabelRecall(**options, **at),
                "precision": MultilabelPrecision(**options, **at),
                "f1": MultilabelF1Score(**options, **at),
            }
        )

    def scores(self, outputs: ClassificationOutputs) -> Tensor:
        """Probability of each class `(B, K)`."""
        return outputs["logits"].float().sigmoid()

    def check_labels(self, labels: Any, count: int, stage: Stage) -> None:
        """Check sets of classes."""
        check_label_sets(labels, count=count, num_classes=self.num_classes)

    def name_classes(self, predictions: list[Any]) -> None:
        """Add the names of its classes to each prediction."""
        for prediction in predictions:
            prediction["names"] = [self.class_name(i) for i in prediction["labels"].tolist()]
