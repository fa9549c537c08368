"""Semantic segmentation.

head         vision/heads/segmentation/, by the rows of vision/tasks/segmentors.py
neck         vision/necks/
losses       vision/losses/segmentation.py
metrics      vision/metrics/segmentation.py, IoU as mmsegmentation counts it, and boundary IoU
inference    vision/ops/dense_inference.py, whole images or windows, at several scales
datamodules  vision.data.ADE20K, Cityscapes, VOCSegmentation, COCOStuff, MaskFolder
configs      configs/segmentation/
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vision.backbones.base import Backbone
from vision.contracts.segmentation import (
    IGNORED,
    SegmentationBatch,
    SegmentationOutputs,
    SegmentationPrediction,
)
from vision.heads.segmentation.base import SegmentationHead
from vision.keywords import Unpack
from vision.metrics.segmentation import SegmentationEvaluator, SegmentationScores
from vision.ops.dense_inference import InferenceOptions, predict_labels
from vision.ops.interpolation import resize_bilinear
from vision.optim.settings import OptimSettings
from vision.options import read_options
from vision.tasks.alike import alike
from vision.tasks.classes import ClassTask
from vision.tasks.first_batch import Stage, check_evaluated, check_masks, require_keys
from vision.tasks.image import ImageTask, ImageTraining, with_paths
from vision.tasks.parts import find_row
from vision.tasks.segmentors import SEGMENTORS, build_segmentor

SHOWN = ("mIoU", "mAcc", "aAcc")
DEFAULTS = OptimSettings(
    lr=6e-5,
    min_lr=0.0,
    weight_decay=0.01,
    warmup_epochs=0,
    warmup_steps=1500,
    warmup_lr=6e-11,
    lr_schedule="poly",
)
WHOLE = InferenceOptions()


class Segmentation(ClassTask, ImageTask):
    """Semantic segmentation: the class of each pixel of an image.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/mIoU`, `val/mAcc`, `val/aAcc` and
    `val/mBIoU` (or `test/`): fractions, over the pixels of the original images, without those that
    are ignored.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone` built with `dense=True`.
        num_classes: Number of classes, at most 255.
        segmentor: Name of the model: "upernet", "semantic_fpn", "segformer", or "mmseg" for any
            decode head of mmsegmentation, which `head_options.type` names.
        neck_options: Options of the neck that replace the model's.
        head_options: Options of the head that replace the model's, such as `channels`.
        auxiliary: Whether a second head, an FCN on the map of stride 16, helps training; null
            leaves the choice to the model.
        auxiliary_options: Options of the second head that replace the model's.
        loss_options: Options of `vision.losses.segmentation.SegmentationLoss`, such as `terms`.
        inference: Options of inference: whole images or windows, scales, mirror images.
        boundary: Whether evaluation measures the boundary IoU too.
        class_names: Name of each class; null uses them from the datamodule.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `ImageTask`.

    Attributes:
        evaluator: Counts of the validation or test set.
        segmentation_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "segmentation"
    dense = True
    monitor = ("val/mIoU", "max")
    head: SegmentationHead

    def __init__(
        self,
        backbone: str | Backbone | None = "swin_tiny",
        num_classes: int = 150,
        *,
        segmentor: str = "upernet",
        neck_options: dict[str, Any] | None = None,
        head_options: dict[str, Any] | None = None,
        auxiliary: bool | None = None,
        auxiliary_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        inference: InferenceOptions = WHOLE,
        boundary: bool = True,
        class_names: list[str] | None = None,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_classes(num_classes, class_names)
        self.inference = read_options(InferenceOptions, inference, group="inference")
        self.neck, self.head, self.auxiliary, self.criterion = build_segmentor(
            find_row(SEGMENTORS, segmentor, option="segmentor"),
            self.backbone,
            num_classes=num_classes,
            neck_options=neck_options or {},
            head_options=head_options or {},
            auxiliary_options=auxiliary_options or {},
            loss_options=loss_options or {},
            auxiliary=auxiliary,
        )
        self.evaluator = SegmentationEvaluator(num_classes, boundary=boundary)
        self.segmentation_result: SegmentationScores | None = None
        self.load_initial_weights()

    def forward(self, images: Tensor) -> SegmentationOutputs:
        """Logits for images as they are in a batch.

        Args:
            images: `(B, C, H, W)`, uint8 or float in 0..255, each valid to its borders.

        Returns:
            Logits `(B, K, H, W)` for each pixel.
        """
        logits = self._logits(self.normalize(images)).float()
        size = (images.shape[2], images.shape[3])
        corners = self.head.align_corners
        return {"logits": resize_bilinear(logits, size, align_corners=corners)}

    def _logits(self, images: Tensor) -> Tensor:
        """Logits `(B, K, h, w)` for normalised images `(B, C, H, W)`, at the stride of the head."""
        return self.head(self.neck(self.backbone(images)))["logits"]

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images and masks of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        images = batch["image"]
        if stage != "train":
            check_evaluated(batch, images)
        if stage != "predict":
            require_keys(batch, ["image", "mask"])
            check_masks(
                batch["mask"],
                count=len(images),
                num_classes=self.num_classes,
                ignored=IGNORED,
                size=(images.shape[2], images.shape[3]) if stage == "train" else None,
            )

    def run(self, batch: SegmentationBatch) -> list[SegmentationPrediction]:
        """The classes of the original pixels of a batch whose images are normalised.

        Images of different sizes are run separately, without their padding: the result does not
        depend on the rest of the batch.
        """
        found: dict[int, Tensor] = {}
        for places, size, original in alike(batch):
            images = batch["image"][places, :, : size[0], : size[1]]
            labels = predict_labels(
                self._logits,
                images,
                original,
                self.inference,
                align_corners=self.head.align_corners,
            )
            found |= dict(zip(places, labels, strict=True))
        return [{"mask": found[i]} for i in range(len(found))]

    def training_step(self, batch: SegmentationBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        maps = self.neck(self.backbone(batch["image"]))
        outputs = self.head(maps)
        if self.auxiliary is not None:
            outputs["auxiliary"] = self.auxiliary(maps)["logits"]
        return self.log_losses("train", self.criterion(outputs, batch), len(batch["image"]))

    def evaluate(
        self, stage: str, outputs: Sequence[SegmentationPrediction], batch: SegmentationBatch
    ) -> Sequence[SegmentationPrediction]:
        """Add the predictions for a batch of the `"val"` or `"test"` set; returns them."""
        for one, mask, path in zip(outputs, batch["mask"], batch["path"], strict=True):
            height, width = one["mask"].shape
            self.evaluator.update(one["mask"], mask[:height, :width], where=path)
        return outputs

    def begin_evaluation(self) -> None:
        """Reset the counts."""
        self.evaluator.reset()

    def end_evaluation(self, stage: str) -> None:
        """Sum the counts of all processes, and log the metrics."""
        self.segmentation_result = self.evaluator.compute(self.class_names)
        self.log_evaluation(stage, self.segmentation_result.scalars(), shown=SHOWN)

    def predict_step(
        self, batch: SegmentationBatch, batch_idx: int
    ) -> list[SegmentationPrediction]:
        """The classes of the pixels of each image of a batch, in the size of its file."""
        return with_paths(self.run(batch), batch)
