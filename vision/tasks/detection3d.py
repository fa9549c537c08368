"""Boxes in space from one image with a known camera.

head         vision/heads/detection3d/, by the rows of vision/tasks/detectors3d.py
neck         vision/necks/
losses       vision/losses/monodetr.py
metrics      vision/metrics/kitti/, average precision as KITTI's benchmark defines it
datamodules  vision.data.KITTI
configs      configs/detection3d/
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vision.backbones.base import Backbone
from vision.contracts.detection3d import Boxes3DBatch, Boxes3DPrediction
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.keywords import Unpack
from vision.metrics.kitti.metric import KittiEvaluator
from vision.metrics.kitti.table import KittiScores
from vision.ops.grouping import places_by
from vision.ops.monocular_predictions import MonocularOutputs
from vision.optim.settings import OptimSettings
from vision.tasks.classes import ClassTask
from vision.tasks.detection3d_checks import check_cameras, check_targets3d, check_truth
from vision.tasks.detectors3d import DETECTORS3D, build_detector3d
from vision.tasks.first_batch import Stage, check_evaluated, check_sizes, require_keys
from vision.tasks.image import ImageTask, ImageTraining, with_paths
from vision.tasks.parts import find_row

SHOWN = ("AP_3D", "AP_BEV", "AP_BEV_50")
DEFAULTS = OptimSettings(
    name="adamw_corrected_decay",
    lr=2e-4,
    min_lr=0.0,
    weight_decay=1e-4,
    warmup_epochs=0,
    lr_schedule="steps",
    milestones=(125, 165),
    no_decay="biases",
)


class Detection3D(ClassTask, ImageTask):
    """Boxes in space, oriented about the vertical, from one image and its camera.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/AP_3D`, `val/AP_BEV`,
    `val/AP_2D` and `val/AOS` (or `test/`), as KITTI defines them, and `val/AP_3D_50` and
    `val/AP_BEV_50` with a smaller minimum overlap: fractions, for cars of moderate difficulty, or
    for the first class of the benchmark that is trained. `vision.metrics.kitti.table` names those
    of the others.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone` built with `dense=True`.
        num_classes: Number of classes.
        detector: Name of the detector: "monodetr".
        neck_options: Options of the neck that replace the detector's.
        head_options: Options of the head that replace the detector's, such as `num_queries`,
            `mean_sizes`, or `bins`, which the criterion uses too.
        loss_options: Options of `vision.losses.monodetr.MonoDETRLossOptions`.
        decimals: Decimals of the numbers that are evaluated and written in KITTI's text. Published
            results have two, which changes them a little.
        class_names: Name of each class; null uses them from the datamodule.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `ImageTask`.

    Attributes:
        evaluator: Objects of the validation or test set, and what was found.
        kitti_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "detection3d"
    dense = True
    monitor = ("val/AP_3D", "max")
    head: MonoDETRHead

    def __init__(
        self,
        backbone: str | Backbone | None = "timm/resnet50",
        num_classes: int = 3,
        *,
        detector: str = "monodetr",
        neck_options: dict[str, Any] | None = None,
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        decimals: int = 2,
        class_names: list[str] | None = None,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_classes(num_classes, class_names)
        self.neck, self.head, self.criterion = build_detector3d(
            find_row(DETECTORS3D, detector, option="detector"),
            self.backbone,
            num_classes=num_classes,
            neck_options=neck_options or {},
            head_options=head_options or {},
            loss_options=loss_options or {},
        )
        self.evaluator = KittiEvaluator(decimals=decimals)
        self.kitti_result: KittiScores | None = None
        self.load_initial_weights()

    def forward(
        self,
        images: Tensor,
        cameras: Tensor,
        sizes: Tensor | None = None,
        original_sizes: Tensor | None = None,
    ) -> list[Boxes3DPrediction]:
        """Find the objects of images as they are in a batch.

        Args:
            images: `(B, C, H, W)`, uint8 or float in 0..255, each valid to its borders.
            cameras: float `(B, 3, 4)` projection to pixels of each original image: `camera`.
            sizes: int64 `(B, 2)` height and width of each image: `size`; None for those of
                `images`.
            original_sizes: int64 `(B, 2)` height and width of each original image: `camera_size`.
                None if the cameras project to pixels of `images`.

        Returns:
            The objects of each image in the frame of its camera.
        """
        whole = torch.tensor([images.shape[2:]] * len(images), device=images.device)
        sizes = whole if sizes is None else sizes
        original = whole if original_sizes is None else original_sizes
        return self._found(self.normalize(images), cameras, sizes, original)

    def _found(
        self, images: Tensor, cameras: Tensor, sizes: Tensor, original_sizes: Tensor
    ) -> list[Boxes3DPrediction]:
        outputs = self._head(images, cameras, sizes, original_sizes)
        views = self.head.views(cameras, sizes, original_sizes)
        return self.head.predict(self.head.decode(outputs, views), original_sizes)

    def _head(
        self, images: Tensor, cameras: Tensor, sizes: Tensor, original_sizes: Tensor
    ) -> MonocularOutputs:
        """Outputs of the head for normalised images `(B, C, H, W)`."""
        return self.head(self.neck(self.backbone(images)), cameras, sizes, original_sizes)

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images, cameras and objects of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        images = batch["image"]
        require_keys(batch, ["image", "size", "camera", "camera_size"])
        check_sizes(batch["size"], images)
        check_cameras(batch, images)
        if stage == "train":
            require_keys(batch, ["image", "target"])
            check_targets3d(batch["target"], batch, num_classes=self.num_classes)
            return
        check_evaluated(batch, images)
        if stage != "predict":
            require_keys(batch, ["image", "truth"])
            check_truth(batch["truth"], count=len(images))

    def run(self, batch: Boxes3DBatch) -> list[Boxes3DPrediction]:
        """The objects of a batch whose images are normalised, in the frames of their cameras.

        Images are run together with those of the same size, without padding: the result does not
        depend on the rest of the batch.
        """
        found: dict[int, Boxes3DPrediction] = {}
        sizes = ((height, width) for height, width in batch["size"].tolist())
        for (height, width), places in places_by(sizes).items():
            images = batch["image"][places, :, :height, :width]
            cameras, size, original = (
                batch[key][places] for key in ("camera", "size", "camera_size")
            )
            found |= dict(zip(places, self._found(images, cameras, size, original), strict=True))
        return [found[i] for i in range(len(found))]

    def training_step(self, batch: Boxes3DBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        outputs = self._head(batch["image"], batch["camera"], batch["size"], batch["camera_size"])
        terms = self.criterion(outputs, batch["target"])
        return self.log_losses("train", terms, len(batch["image"]))

    def evaluate(
        self, stage: str, outputs: Sequence[Boxes3DPrediction], batch: Boxes3DBatch
    ) -> Sequence[Boxes3DPrediction]:
        """Add the objects found in a batch of the `"val"` or `"test"` set; returns them."""
        indices = batch["index"].tolist() if "index" in batch else [None] * len(outputs)
        for index, one, truth in zip(indices, outputs, batch["truth"], strict=True):
            number = self._number() if index is None else index
            self.evaluator.update(number, one, truth, self._known_names())
        return outputs

    def _number(self) -> int:
        """A number for an image that has none: each of n processes has every n-th image."""
        trainer = self.trainer
        return len(self.evaluator) * trainer.world_size + trainer.global_rank

    def _known_names(self) -> list[str]:
        return self.class_names or [str(k) for k in range(self.num_classes)]

    def begin_evaluation(self) -> None:
        """Forget the objects."""
        self.evaluator.reset()

    def end_evaluation(self, stage: str) -> None:
        """Gather what all processes have found, and log the metrics."""
        data = getattr(self.trainer, "datamodule", None)
        trained = getattr(data, "trained_names", None) or self._known_names()
        self.kitti_result = self.evaluator.compute(trained)
        self.log_evaluation(stage, self.kitti_result.scalars(), shown=SHOWN)

    def predict_step(self, batch: Boxes3DBatch, batch_idx: int) -> list[Boxes3DPrediction]:
        """The objects of each image of a batch, in the frame of its camera."""
        return with_paths(self.run(batch), batch)
