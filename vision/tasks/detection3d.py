"""Boxes in space, from an image with a known camera or from a sweep of a lidar.

input        vision/tasks/scene_inputs/, one file for images and one for points
head         vision/heads/detection3d/, by the rows of vision/tasks/detectors3d.py
neck         vision/necks/
losses       vision/losses/monodetr.py, center.py
metrics      vision/metrics/kitti/, average precision as KITTI's benchmark defines it
datamodules  vision.data.KITTI, KITTILidar
configs      configs/detection3d/
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from vision.contracts.detection3d import Boxes3DPrediction
from vision.contracts.models import ModelDescription
from vision.errors import ConfigError
from vision.keywords import Unpack
from vision.layers.pixels import Normalize
from vision.metrics.kitti.metric import KittiEvaluator
from vision.metrics.kitti.table import KittiScores
from vision.optim.settings import OptimSettings
from vision.tasks.base import Training
from vision.tasks.classes import ClassTask
from vision.tasks.detection3d_checks import check_truth
from vision.tasks.detectors3d import DETECTORS3D, Detector3DOptions
from vision.tasks.first_batch import Stage, require_keys
from vision.tasks.image import with_paths
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


class Detection3D(ClassTask):
    """Boxes in space, oriented about the vertical.

    The detector says what is read: "monodetr" one image and its camera, "centerpoint" the points
    of a lidar's sweep. A batch may have both.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/AP_3D`, `val/AP_BEV`,
    `val/AP_2D` and `val/AOS` (or `test/`), as KITTI defines them, and `val/AP_3D_50` and
    `val/AP_BEV_50` with a smaller minimum overlap: fractions, for cars of moderate difficulty, or
    for the first class of the benchmark that is trained. `vision.metrics.kitti.table` names those
    of the others.

    Args:
        backbone: A name for `create_backbone`, or an encoder of what the detector reads: a
            `Backbone` built with `dense=True`, or an encoder of points.
        num_classes: Number of classes.
        detector: Name of the detector: "monodetr" or "centerpoint".
        reader_options: Options of what groups points to pillars that replace the detector's, such
            as `in_channels` and `grid` with its `cell_size` and `point_range`; for points.
        neck_options: Options of the neck that replace the detector's.
        head_options: Options of the head that replace the detector's, such as `num_queries`,
            `mean_sizes`, or `bins`, which the criterion uses too.
        loss_options: Options of `vision.losses.monodetr.MonoDETRLossOptions`, or of
            `vision.losses.center.CenterLossOptions`.
        decimals: Decimals of the numbers that are evaluated and written in KITTI's text. Published
            results have two, which changes them a little.
        class_names: Name of each class; null uses them from the datamodule.
        mean: Mean of each channel for values in [0, 1]; null uses the backbone's. For images.
        std: Standard deviation of each channel for values in [0, 1]; null uses the backbone's. For
            images.
        channels_last: Whether images and convolutions use the channels-last memory format.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `BaseTask`.

    Attributes:
        reads: What is read: "image" or "points".
        scene: How it is read.
        evaluator: Objects of the validation or test set, and what was found.
        kitti_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "detection3d"
    dense = True
    monitor = ("val/AP_3D", "max")
    # By the detector: `reader` is of points, `normalize` of images.
    backbone: Any
    reader: Any
    normalize: Normalize
    neck: nn.Module
    head: Any
    criterion: nn.Module

    def __init__(
        self,
        backbone: str | nn.Module | None = "timm/resnet50",
        num_classes: int = 3,
        *,
        detector: str = "monodetr",
        reader_options: dict[str, Any] | None = None,
        neck_options: dict[str, Any] | None = None,
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        decimals: int = 2,
        class_names: list[str] | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        channels_last: bool = True,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[Training],
    ) -> None:
        row = find_row(DETECTORS3D, detector, option="detector")
        row.check_name(backbone, owner=f"{type(self).__name__} with detector='{detector}'")
        if training.get("compile") and row.scene.no_compile is not None:
            raise ConfigError(
                f"compile=True is not for detector='{detector}': {row.scene.no_compile}. Leave it "
                "out."
            )
        super().__init__(backbone, optim=optim, **training)
        self.set_classes(num_classes, class_names)
        self.reads = row.scene.reads
        options = Detector3DOptions(
            num_classes=num_classes,
            reader=reader_options or {},
            neck=neck_options or {},
            head=head_options or {},
            loss=loss_options or {},
            mean=mean,
            std=std,
            channels_last=channels_last,
        )
        for name, part in row.build(self.backbone, options).items():
            self.add_module(name, part)
        self.scene = row.scene(self)
        self.no_compile = row.scene.no_compile
        self.evaluator = KittiEvaluator(decimals=decimals)
        self.kitti_result: KittiScores | None = None
        self.load_initial_weights()
        self.scene.settle()

    def forward(
        self,
        inputs: Tensor,
        beside: Tensor | None = None,
        sizes: Tensor | None = None,
        original_sizes: Tensor | None = None,
    ) -> Sequence[Boxes3DPrediction]:
        """Find the objects of scenes as they are in a batch.

        Args:
            inputs: Images `(B, C, H, W)`, uint8 or float in 0..255; or the points `(P, C)` of all
                sweeps.
            beside: Projection of the camera of each image, float `(B, 3, 4)`; or the number of
                points of each sweep, int64 `(B,)`, None for a single one.
            sizes: int64 `(B, 2)` height and width of each image; None for those of `inputs`.
            original_sizes: int64 `(B, 2)` height and width of each original image, to whose pixels
                its camera projects; None for those of `inputs`.

        Returns:
            The objects of each image in the frame of its camera, or of each sweep.
        """
        return self.scene.forward(inputs, beside, sizes, original_sizes)

    def describe(self) -> ModelDescription:
        """Describe as every task, with the expected input."""
        return {**super().describe(), "input": self.scene.describe()}

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the input and the objects of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        self.scene.check_batch(batch, stage)
        if stage in ("val", "test"):
            require_keys(batch, ["truth"])
            check_truth(batch["truth"], count=self.scene.count(batch))

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Prepare what is read on the device."""
        return self.scene.prepare(batch)

    def run(self, batch: Any) -> Sequence[Boxes3DPrediction]:
        """The objects of the scenes of a prepared batch, in the frames of their cameras.

        What is found in a scene does not depend on the rest of the batch.
        """
        return self.scene.run(batch)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        return self.log_losses("train", self.scene.losses(batch), self.scene.count(batch))

    def evaluate(
        self, stage: str, outputs: Sequence[Boxes3DPrediction], batch: Mapping[str, Any]
    ) -> Sequence[Boxes3DPrediction]:
        """Add the objects found in a batch of the `"val"` or `"test"` set; returns them."""
        indices = batch["index"].tolist() if "index" in batch else [None] * len(outputs)
        for index, one, truth in zip(indices, outputs, batch["truth"], strict=True):
            number = self._number() if index is None else index
            self.evaluator.update(number, one, truth, self._known_names())
        return outputs

    def _number(self) -> int:
        """A number for a scene that has none: each of n processes has every n-th one."""
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

    def predict_step(self, batch: Any, batch_idx: int) -> list[Boxes3DPrediction]:
        """The objects of each scene of a batch, in the frame of its camera."""
        return with_paths(self.run(batch), batch)
