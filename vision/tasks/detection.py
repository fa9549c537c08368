"""Object detection and instance segmentation.

head         vision/heads/detection/, by the rows of vision/tasks/detectors.py
neck         vision/necks/
losses       vision/losses/two_stage.py, retinanet.py, fcos.py, dino.py
metrics      vision/metrics/detection_evaluators.py, average precision and recall as COCO, LVIS or
             Pascal VOC define them: the datamodule's `evaluation` says which
datamodules  vision.data.COCO, LVIS, YOLO, VOC
configs      configs/detection/
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.backbones.base import Backbone
from vision.contracts.detection import (
    PADDED_TO,
    DetectionBatch,
    DetectionPrediction,
    Detections,
    DetectionTarget,
)
from vision.errors import ConfigError
from vision.heads.detection.base import DetectionHead, join_detections
from vision.keywords import Unpack
from vision.metrics.coco.metric import CocoEvaluator, CocoResult
from vision.metrics.detection_evaluators import build_evaluator
from vision.ops.grouping import places_by
from vision.optim.attached import attached_trainer
from vision.optim.settings import OptimSettings
from vision.tasks.classes import ClassTask
from vision.tasks.detectors import DETECTORS, build_detector
from vision.tasks.first_batch import Stage, check_sizes, check_targets, require_keys
from vision.tasks.image import ImageTask, ImageTraining
from vision.tasks.parts import find_row

SHOWN = ("box_AP", "box_AP50", "mask_AP", "mask_AP50")
DEFAULTS = OptimSettings(lr=1e-4, min_lr=0.0, warmup_epochs=0, warmup_steps=500, warmup_lr=1e-7)


class Detection(ClassTask, ImageTask):
    """Object detection: boxes, classes and, if the detector has them, masks.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/box_AP`, `val/box_AP50`,
    `val/box_AP75`, `val/box_AP_small` and so on, and the same with `mask_` (or `test/`): fractions,
    as COCO defines them, over the images that were evaluated; -1 without ground truth. Datasets
    whose `evaluation` is `"lvis"` have `val/box_AP_rare`, `_common` and `_frequent` too, by LVIS'
    rules, those of `"voc"` `val/box_AP_2007` and `val/box_AP_2010` beside COCO's numbers.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone` built with `dense=True`.
        num_classes: Number of classes, without the background.
        detector: Name of the detector: "mask_rcnn", "faster_rcnn", "cascade_mask_rcnn",
            "retinanet", "fcos", "dino" or "mask_dino".
        neck_options: Options of `vision.necks.build_neck`, or for "dino" and "mask_dino" of
            `vision.necks.pyramid.complete_pyramid`, that replace the detector's.
        head_options: Options of the head that replace the detector's, such as
            `score_threshold`.
        loss_options: Options of the criterion that replace the detector's.
        class_names: Name of each class; null uses them from the datamodule.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `ImageTask`.

    Attributes:
        evaluator: Predictions of the validation or test set.
        coco_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "detection"
    dense = True
    monitor = ("val/box_AP", "max")
    head: DetectionHead

    def __init__(
        self,
        backbone: str | Backbone | None = "swin_tiny",
        num_classes: int = 80,
        *,
        detector: str = "mask_rcnn",
        neck_options: dict[str, Any] | None = None,
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        class_names: list[str] | None = None,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_classes(num_classes, class_names)
        self.neck, self.head, self.criterion = build_detector(
            find_row(DETECTORS, detector, option="detector"),
            self.backbone,
            num_classes=num_classes,
            neck_options=neck_options or {},
            head_options=head_options or {},
            loss_options=loss_options or {},
        )
        self.evaluator: CocoEvaluator = CocoEvaluator(masks=self.head.has_masks)
        self.coco_result: CocoResult | None = None
        self.load_initial_weights()

    def setup(self, stage: str) -> None:
        """Set up as every task, and look at the data for what head and criterion need of it."""
        super().setup(stage)
        data: Any = getattr(self.trainer, "datamodule", None)
        protocol = getattr(data, "evaluation", "coco")
        self.evaluator = build_evaluator(protocol, masks=self.head.has_masks)
        if self.head.has_masks and hasattr(data, "require_masks"):
            data.require_masks(stage)
        federated = getattr(self.criterion, "federated", None)
        if federated is not None and stage == "fit":
            federated.set_image_counts(_image_counts(data))

    def forward(self, images: Tensor) -> list[DetectionPrediction]:
        """Find the objects of images as they are in a batch.

        Args:
            images: `(B, C, H, W)`, uint8 or float in 0..255, each valid to its borders.

        Returns:
            The objects of each image, in its pixels.
        """
        sizes = torch.tensor([images.shape[2:]] * len(images), device=images.device)
        return self.head.predict(self._head(self.normalize(images), sizes), sizes)

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images and objects of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        images = batch["image"]
        if stage == "train":
            require_keys(batch, ["image", "size", "target"])
            check_sizes(batch["size"], images)
            masks = (images.shape[2], images.shape[3]) if self.head.has_masks else None
            check_targets(batch["target"], batch["size"], num_classes=self.num_classes, masks=masks)
            return
        known = ["image_id"] if stage in ("val", "test") else []
        require_keys(batch, ["image", "size", "original_size", *known])
        check_sizes(batch["size"], images)
        check_sizes(batch["original_size"], images, key="original_size")
        if known and attached_trainer(self) is not None:
            _require_ground_truth(self.trainer)

    def run(self, batch: DetectionBatch) -> Detections:
        """Detections for a batch whose images are normalised.

        Images of different padded sizes are run separately, each on its own canvas: the result does
        not depend on the rest of the batch. Padding changes the features of an image; with global
        attention, all of them.
        """
        images, sizes = batch["image"], batch["size"]
        found: list[Detections] = []
        places: list[int] = []
        for (height, width), alike in _by_canvas(sizes).items():
            part = images[alike, :, :height, :width]
            found.append(self._head(part, sizes[alike]))
            places += alike
        return join_detections(found, places)

    def _head(
        self, images: Tensor, sizes: Tensor, targets: Sequence[DetectionTarget] | None = None
    ) -> Any:
        return self.head(self.neck(self.backbone(images)), sizes, targets)

    def training_step(self, batch: DetectionBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        outputs = self._head(batch["image"], batch["size"], batch["target"])
        return self.log_losses("train", self.criterion(outputs, batch), len(batch["image"]))

    def evaluate(
        self, stage: str, outputs: Detections, batch: DetectionBatch
    ) -> list[DetectionPrediction]:
        """Add the detections for a batch of the `"val"` or `"test"` set; returns them."""
        found = self._predictions(outputs, batch)
        self.evaluator.update(batch["image_id"], found)
        return found

    def begin_evaluation(self) -> None:
        """Begin with no predictions."""
        self.evaluator.reset()

    def end_evaluation(self, stage: str) -> None:
        """Compare the predictions with the annotations, and log."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.coco_result = self.evaluator.compute(
            data.ground_truth(stage), category_ids=data.category_ids
        )
        self.log_evaluation(stage, self.coco_result.scalars(), shown=SHOWN)

    def predict_step(self, batch: DetectionBatch, batch_idx: int) -> list[DetectionPrediction]:
        """The objects of each image of a batch, in pixels of its file."""
        return self._predictions(self.run(batch), batch)

    def _predictions(
        self, outputs: Detections, batch: Mapping[str, Any]
    ) -> list[DetectionPrediction]:
        return self.head.predict(outputs, batch["size"], batch["original_size"])


def _require_ground_truth(trainer: Any) -> None:
    """Raise an error unless there are annotations to evaluate with."""
    if not hasattr(getattr(trainer, "datamodule", None), "ground_truth"):
        raise ConfigError(
            "a detector is evaluated with the annotations of a datamodule of vision.data, such as "
            "COCO, or one that vision.data.from_dataset makes; without one, set "
            "trainer.limit_val_batches=0."
        )


def _image_counts(data: Any) -> Any:
    """The number of training images with each class, from a datamodule."""
    if not hasattr(data, "class_image_counts"):
        raise ConfigError(
            "loss_options.federated_classes needs the number of training images with each class: "
            "a datamodule of vision.data, such as LVIS or COCO, or class_image_counts of your own."
        )
    return data.class_image_counts.tolist()


def _by_canvas(sizes: Tensor) -> dict[tuple[int, int], list[int]]:
    """Indices of the images, by height and width of the canvas of each."""
    canvases = (-(-sizes // PADDED_TO) * PADDED_TO).tolist()
    return places_by((height, width) for height, width in canvases)
