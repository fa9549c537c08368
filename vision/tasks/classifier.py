"""Base class of the tasks that classify whole images."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torchmetrics import MetricCollection

from vision.backbones.base import Backbone
from vision.contracts.classification import ClassificationBatch, ClassificationOutputs
from vision.errors import ConfigError
from vision.heads.classification.linear import LinearHead
from vision.keywords import Unpack
from vision.losses.classification import (
    BALANCED,
    ClassificationLoss,
    LossSettings,
    balanced_weights,
)
from vision.optim.settings import OptimSettings
from vision.options import check_number, read_options
from vision.tasks.class_metrics import ClassMetrics
from vision.tasks.classes import ClassTask
from vision.tasks.first_batch import Stage, require_keys
from vision.tasks.image import ImageTask, ImageTraining
from vision.tasks.mix import BatchMixer, MixSettings

NO_MIX = MixSettings()
DEFAULTS = OptimSettings()
CROSS_ENTROPY = LossSettings()

# Dropout of all values leaves nothing to learn.
MAX_DROP = 0.99


class ClassifierTraining(ImageTraining, total=False):
    """Keyword arguments that kinds of classifiers pass on to `Classifier`."""

    class_names: list[str] | None
    drop_rate: float
    head_init_scale: float
    per_class_metrics: bool
    optim: OptimSettings
    mix: MixSettings


class Classifier(ClassTask, ImageTask):
    """A linear layer on the vector that the classifier of the backbone's paper uses.

    A subclass says what is measured: `metrics`, `metrics_by_class`.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone`.
        num_classes: Number of classes.
        class_names: Name of each class; null uses them from the datamodule.
        drop_rate: Dropout probability before the linear layer.
        head_init_scale: Factor on the initial weights of the linear layer, such as 0.001 for a new
            layer on a trained backbone.
        label_smoothing: Share of the target that is spread over all classes in training.
        loss: The loss and its options.
        per_class_metrics: Whether to log recall, precision and F1 of each class too, such as
            `val/f1/NAME`.
        optim: Options of the optimiser and its schedule.
        mix: Random erasing, mixup and cutmix of training batches.
        **training: Other arguments of `ImageTask`.

    Attributes:
        multi_label: Whether an image has any number of classes.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    multi_label: ClassVar[bool] = False
    head: LinearHead

    def __init__(
        self,
        backbone: str | Backbone | None = "convnext_tiny",
        num_classes: int = 1000,
        *,
        class_names: list[str] | None = None,
        drop_rate: float = 0.0,
        head_init_scale: float = 1.0,
        label_smoothing: float = 0.1,
        loss: LossSettings = CROSS_ENTROPY,
        per_class_metrics: bool = False,
        optim: OptimSettings = DEFAULTS,
        mix: MixSettings = NO_MIX,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_classes(num_classes, class_names)
        check_number("drop_rate", drop_rate, minimum=0, maximum=MAX_DROP)
        check_number("label_smoothing", label_smoothing, minimum=0, maximum=1)
        check_number("head_init_scale", head_init_scale, minimum=1e-6, maximum=1e6)
        self.head = self.build_head(dropout=drop_rate, init_scale=head_init_scale)
        loss = read_options(LossSettings, loss, group="loss")
        self._weighs_by_data = loss.class_weights == BALANCED
        self.criterion = ClassificationLoss(
            label_smoothing,
            settings=loss,
            num_classes=num_classes,
            multi_label=self.multi_label,
        )
        self.mixer = BatchMixer(
            read_options(MixSettings, mix, group="mix"), num_classes=num_classes
        )
        self.val_metrics = self.metrics().clone(prefix="val/")
        self.test_metrics = self.metrics().clone(prefix="test/")
        self.class_metrics = ClassMetrics(self.metrics_by_class(), num_classes, per_class_metrics)
        self.load_initial_weights()

    def build_head(self, *, dropout: float, init_scale: float) -> LinearHead:
        """The layer on top of the backbone."""
        return LinearHead(
            self.backbone.embed_dim,
            num_classes=self.num_classes,
            dropout=dropout,
            init_scale=init_scale,
        )

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """Metrics of an evaluation by name, of `scores` and labels."""

    @abstractmethod
    def metrics_by_class(self) -> MetricCollection:
        """Metrics `(K,)` of each class by name."""

    def scores(self, outputs: ClassificationOutputs) -> Tensor:
        """What the metrics take for the scores `(B, K)`; by default the logits."""
        return outputs["logits"]

    def setup(self, stage: str) -> None:
        """Set up as every task with classes, and weigh the classes by the training data.

        Raises:
            ConfigError: The weights are to be balanced, but the data has no labels to count.
        """
        super().setup(stage)
        if stage == TrainerFn.FITTING and self._weighs_by_data:
            weights = balanced_weights(self._count_labels())
            self.criterion.set_weights(weights, self.num_classes)
            self.criterion.to(self.device)

    def _count_labels(self) -> Tensor:
        data = getattr(self.trainer, "datamodule", None)
        labels = getattr(getattr(data, "train_dataset", None), "labels", None)
        if labels is None:
            raise ConfigError(
                "loss.class_weights='balanced' counts the labels of the training images, which "
                f"{type(data).__name__} does not list. Give the weights: a number for each class."
            )
        labels = torch.as_tensor(labels)
        if labels.ndim == 2:
            return labels.long().sum(0)
        return labels.long().bincount(minlength=self.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Classify images as they are in a batch.

        Args:
            images: `(B, C, H, W)`, uint8 or float in 0..255.

        Returns:
            Logits `(B, K)`.
        """
        return self.head(self.embed(self.normalize(images)))["logits"]

    def run(self, batch: ClassificationBatch) -> ClassificationOutputs:
        """Outputs of the head for a batch whose images are normalised."""
        return self.head(self.embed(batch["image"]))

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images and labels of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        if stage != "predict":
            require_keys(batch, ["image", "label"])
            self.check_labels(batch["label"], len(batch["image"]), stage)

    @abstractmethod
    def check_labels(self, labels: Any, count: int, stage: Stage) -> None:
        """Check the labels of a batch of `count` images; raises a `DataError`."""

    def augment(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Erase and mix."""
        images, labels = self.mixer(batch["image"], batch["label"])
        return {**batch, "image": images, "label": labels}

    def training_step(self, batch: ClassificationBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        terms = self.criterion(self.run(batch), batch)
        return self.log_losses("train", terms, len(batch["image"]))

    def begin_evaluation(self) -> None:
        """Forget the metrics of the classes."""
        self.class_metrics.reset()

    def evaluate(
        self, stage: str, outputs: ClassificationOutputs, batch: ClassificationBatch
    ) -> list[Any]:
        """Add the outputs for a batch of the `"val"` or `"test"` set to the metrics.

        Returns:
            The prediction for each image.
        """
        metrics = self.val_metrics if stage == "val" else self.test_metrics
        self.log_losses(stage, self.criterion(outputs, batch), len(batch["image"]))
        scores, labels = self.scores(outputs), batch["label"].long()
        metrics.update(scores, labels)
        self.class_metrics.update(scores, labels)
        self.log_dict(metrics, on_step=False, on_epoch=True, prog_bar=True)
        return self.head.predict(outputs)

    def end_evaluation(self, stage: str) -> None:
        """Log the metrics of each class, if they were asked for."""
        self.log_evaluation(stage, self.class_metrics.compute(self.class_names))

    def predict_step(self, batch: Any, batch_idx: int) -> list[Any]:
        """The prediction for each image of a batch, with names, and its path if it has one."""
        predictions = self.head.predict(self.run(batch))
        self.name_classes(predictions)
        if "path" in batch:
            for prediction, path in zip(predictions, batch["path"], strict=True):
                prediction["path"] = path
        return predictions

    @abstractmethod
    def name_classes(self, predictions: list[Any]) -> None:
        """Add the names of their classes to predictions."""

    def class_name(self, label: int) -> str:
        """Name of a class, or its number where there is none."""
        return self.class_names[label] if self.class_names else str(label)
