"""Image classification.

head         vision/heads/classification/linear.py
losses       vision/losses/classification.py
metrics      top-1 and top-5 accuracy, torchmetrics
datamodules  vision.data.Digits, vision.data.ImageFolder
configs      configs/classification/
"""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from vision.backbones.base import Backbone
from vision.contracts.classification import (
    ClassificationBatch,
    ClassificationOutputs,
    ClassificationPrediction,
)
from vision.heads.classification.linear import LinearHead
from vision.keywords import Unpack
from vision.losses.classification import ClassificationLoss
from vision.optim.settings import OptimSettings
from vision.options import check_number, read_options
from vision.tasks.classes import ClassTask
from vision.tasks.first_batch import Stage, check_labels, require_keys
from vision.tasks.image import ImageTask, ImageTraining
from vision.tasks.mix import BatchMixer, MixSettings

NO_MIX = MixSettings()
DEFAULTS = OptimSettings()

# Dropout of all values leaves nothing to learn.
MAX_DROP = 0.99


class Classification(ClassTask, ImageTask):
    """Image classification by a linear layer on the vector that the paper's classifier uses.

    Logs `train/loss`, `lr`, and per evaluation `val/loss`, `val/top1` and `val/top5` (or `test/`):
    accuracies are fractions; with fewer than five classes, `top5` counts all of them.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone`.
        num_classes: Number of classes.
        class_names: Name of each class; null takes them from the datamodule.
        drop_rate: Dropout probability before the linear layer.
        head_init_scale: Factor on the initial weights of the linear layer, such as 0.001 for a new
            layer on a trained backbone.
        label_smoothing: Share of the target that is spread over all classes in training.
        optim: Options of the optimiser and its schedule.
        mix: Random erasing, mixup and cutmix of training batches.
        **training: Other arguments of `ImageTask`.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "classification"
    monitor = ("val/top1", "max")
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
        optim: OptimSettings = DEFAULTS,
        mix: MixSettings = NO_MIX,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_classes(num_classes, class_names)
        check_number("drop_rate", drop_rate, minimum=0, maximum=MAX_DROP)
        check_number("label_smoothing", label_smoothing, minimum=0, maximum=1)
        check_number("head_init_scale", head_init_scale, minimum=1e-6, maximum=1e6)
        self.head = LinearHead(
            self.backbone.embed_dim,
            num_classes=num_classes,
            dropout=drop_rate,
            init_scale=head_init_scale,
        )
        self.criterion = ClassificationLoss(label_smoothing)
        self.mixer = BatchMixer(
            read_options(MixSettings, mix, group="mix"), num_classes=num_classes
        )
        self.val_metrics = _accuracies(num_classes, "val/")
        self.test_metrics = _accuracies(num_classes, "test/")
        self.load_initial_weights()

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
        if stage == "predict":
            return
        require_keys(batch, ["image", "label"])
        check_labels(
            batch["label"],
            count=len(batch["image"]),
            num_classes=self.num_classes,
            soft=stage == "train" and not self.mixer.mixes,
        )

    def augment(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Erase and mix."""
        images, labels = self.mixer(batch["image"], batch["label"])
        return {**batch, "image": images, "label": labels}

    def training_step(self, batch: ClassificationBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        terms = self.criterion(self.run(batch), batch)
        return self.log_losses("train", terms, len(batch["image"]))

    def evaluate(
        self, stage: str, outputs: ClassificationOutputs, batch: ClassificationBatch
    ) -> list[ClassificationPrediction]:
        """Add the outputs for a batch of the `"val"` or `"test"` set to the metrics.

        Returns:
            Class and probabilities of each image.
        """
        metrics = self.val_metrics if stage == "val" else self.test_metrics
        self.log_losses(stage, self.criterion(outputs, batch), len(batch["image"]))
        metrics.update(outputs["logits"], batch["label"])
        self.log_dict(metrics, on_step=False, on_epoch=True, prog_bar=True)
        return self.head.predict(outputs)

    def predict_step(self, batch: Any, batch_idx: int) -> list[ClassificationPrediction]:
        """Class, probabilities and names of each image of a batch, with its path if it has one."""
        predictions = self.head.predict(self.run(batch))
        labels = torch.stack([prediction["label"] for prediction in predictions]).tolist()
        for i, (prediction, label) in enumerate(zip(predictions, labels, strict=True)):
            prediction["name"] = self.class_names[label] if self.class_names else str(label)
            if "path" in batch:
                prediction["path"] = batch["path"][i]
        return predictions


def _accuracies(num_classes: int, prefix: str) -> MetricCollection:
    # Argument checks look for unique labels, which synchronises with the device every step.
    tops = {"top1": 1, "top5": min(5, num_classes)}
    return MetricCollection(
        {
            name: MulticlassAccuracy(num_classes, top_k=k, average="micro", validate_args=False)
            for name, k in tops.items()
        },
        prefix=prefix,
    )
