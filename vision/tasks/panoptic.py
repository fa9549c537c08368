"""Panoptic segmentation.

head         vision/heads/mask_transformer/, by the rows of vision/tasks/panoptic_decoders.py
neck         vision/necks/
losses       vision/losses/kmax.py
metrics      vision/metrics/panoptic.py, panoptic quality; besides, the metrics of semantic
             segmentation and of instances
inference    vision/ops/panoptic_inference.py
datamodules  vision.data.COCOPanoptic, CityscapesPanoptic, ADE20KPanoptic
configs      configs/panoptic/
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import numpy as np
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from vision.backbones.base import Backbone
from vision.contracts.models import ModelDescription
from vision.contracts.panoptic import PanopticBatch, PanopticPrediction
from vision.errors import ConfigError
from vision.heads.mask_transformer.kmax import KMaXHead
from vision.keywords import Unpack
from vision.metrics.coco.instances import InstanceEvaluator
from vision.metrics.coco.metric import CocoResult
from vision.metrics.panoptic import PanopticEvaluator, overlaps, segments_of
from vision.metrics.panoptic_table import PanopticScores
from vision.metrics.segmentation import SegmentationEvaluator, SegmentationScores
from vision.ops.grouping import places_by
from vision.ops.mask_predictions import MaskTransformerOutputs
from vision.ops.mask_targets import class_map, make_mask_targets
from vision.ops.panoptic_inference import ImageSizes, predict_panoptic
from vision.ops.panoptic_merge import MergeOptions
from vision.optim.settings import OptimSettings
from vision.options import read_options
from vision.tasks.classes import ClassTask
from vision.tasks.decoders import build_parts
from vision.tasks.first_batch import Stage, check_evaluated, check_sizes, require_keys
from vision.tasks.image import ImageTask, ImageTraining, with_paths
from vision.tasks.panoptic_checks import agree_on_things, check_segments
from vision.tasks.panoptic_decoders import DECODERS
from vision.tasks.parts import find_row

SHOWN = ("PQ", "SQ", "RQ")
DEFAULTS = OptimSettings(
    lr=5e-4,
    min_lr=0.0,
    weight_decay=0.05,
    warmup_epochs=0,
    warmup_steps=5000,
    warmup_lr=5e-7,
    warmup_to="lr",
    lr_schedule="poly",
    power=0.9,
    backbone_lr=0.1,
)
MERGE = MergeOptions()


class PanopticOutputs(TypedDict):
    """What the model gives for images, before the merging.

    Keys:
        class_logits: float `(B, N, K + 1)`, the last one for no object.
        mask_logits: float `(B, N, h, w)`, before the softmax over queries, at the stride of the
            head.
    """

    class_logits: Tensor
    mask_logits: Tensor


class PanopticSegmentation(ClassTask, ImageTask):
    """Panoptic segmentation: the class of each pixel of an image, and which object it belongs to.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/PQ`, `val/SQ`, `val/RQ`,
    `val/PQ_things`, `val/PQ_stuff`, `val/mIoU` and `val/mask_AP` (or `test/`): fractions, over the
    pixels of the original images.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone` built with `dense=True`.
        num_classes: Number of classes, at most 255.
        things: Indices of the classes of countable objects, the others are stuff; null uses them
            from the datamodule.
        decoder: Name of the model: "kmax".
        neck_options: Options of the neck that replace the decoder's, such as `strides`.
        head_options: Options of the head that replace the decoder's, such as `num_queries`.
        loss_options: Options of `vision.losses.kmax.KMaXLossOptions`.
        merge: Options of the merging of masks: thresholds and order.
        semantic: Whether evaluation measures the semantic segmentation too, by the mean IoU.
        instances: Whether evaluation measures the instances of things too, by the mask AP.
        class_names: Name of each class; null uses them from the datamodule.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `ImageTask`.

    Attributes:
        evaluator: Matches of the validation or test set.
        semantic_evaluator: Counts of its pixels by class; None where they are not measured.
        instance_evaluator: Its instances; None where they are not measured.
        panoptic_result: Result of the last evaluation; None before.
        segmentation_result: The same of the semantic segmentation; None where it is not measured.
        coco_result: The same of the instances.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "panoptic"
    dense = True
    monitor = ("val/PQ", "max")
    head: KMaXHead

    def __init__(
        self,
        backbone: str | Backbone | None = "convnext_tiny",
        num_classes: int = 133,
        *,
        things: list[int] | None = None,
        decoder: str = "kmax",
        neck_options: dict[str, Any] | None = None,
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        merge: MergeOptions = MERGE,
        semantic: bool = True,
        instances: bool = True,
        class_names: list[str] | None = None,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_classes(num_classes, class_names)
        self.things: list[int] | None = None
        if things is not None:
            self._adopt_things(things, "things")
        self.merge = read_options(MergeOptions, merge, group="merge")
        self.neck, self.head, self.criterion = build_parts(
            find_row(DECODERS, decoder, option="decoder"),
            self.backbone,
            num_classes=num_classes,
            neck_options=neck_options or {},
            head_options=head_options or {},
            loss_options=loss_options or {},
        )
        self.evaluator = PanopticEvaluator(num_classes)
        self.semantic_evaluator = (
            SegmentationEvaluator(num_classes, boundary=False) if semantic else None
        )
        self.instance_evaluator = InstanceEvaluator(num_classes) if instances else None
        self.panoptic_result: PanopticScores | None = None
        self.segmentation_result: SegmentationScores | None = None
        self.coco_result: CocoResult | None = None
        self.load_initial_weights()

    def setup(self, stage: str) -> None:
        """Set up as every task with classes, and compare the things with the datamodule's."""
        super().setup(stage)
        things = getattr(getattr(self.trainer, "datamodule", None), "things", None)
        if things is not None and stage != TrainerFn.PREDICTING:
            self._adopt_things(things, "the data")

    def adopt_description(self, description: ModelDescription, origin: str) -> None:
        """Take over from a file too which classes are things: images to predict do not say it.

        Args:
            description: Description in the file.
            origin: Name of the file, for errors.

        Raises:
            ConfigError: The classes or the things of the file are others.
        """
        super().adopt_description(description, origin)
        things = description["hyper_parameters"].get("things")
        if things is not None:
            self._adopt_things(things, origin)

    def _adopt_things(self, things: Sequence[int], origin: str) -> None:
        self.things = agree_on_things(self.things, things, self.num_classes, origin)
        # A file of the model has them, whether the data or a person gave them.
        self.hparams["things"] = self.things

    def forward(self, images: Tensor) -> PanopticOutputs:
        """Classes and masks of queries for images as they are in a batch.

        Args:
            images: `(B, C, H, W)`, uint8 or float in 0..255, each valid to its borders.

        Returns:
            Logits of the classes, and of the masks at the stride of the head.
        """
        outputs = self._head(self.normalize(images))
        return {
            "class_logits": outputs["class_logits"].float(),
            "mask_logits": outputs["mask_logits"].float(),
        }

    def _head(self, images: Tensor) -> MaskTransformerOutputs:
        """Outputs of the head for normalised images `(B, C, H, W)`."""
        return self.head(self.neck(self.backbone(images)))

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images and segments of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        images = batch["image"]
        if stage != "train":
            check_evaluated(batch, images)
            if "canvas" in batch:
                check_sizes(batch["canvas"], images, key="canvas")
        if stage != "predict":
            require_keys(batch, ["image", "mask", "segments"])
            check_segments(
                batch["mask"],
                batch["segments"],
                count=len(images),
                num_classes=self.num_classes,
                size=(images.shape[2], images.shape[3]) if stage == "train" else None,
            )

    def run(self, batch: PanopticBatch, *, measured: bool = True) -> list[PanopticPrediction]:
        """The segments of the original images of a batch whose images are normalised.

        Images are run together with those of the same size, padding included that belongs to
        them: the result does not depend on the rest of the batch.

        Args:
            batch: The batch.
            measured: Whether what metrics alone need is made too: the class of each pixel, and
                the instances.

        Raises:
            ConfigError: It is not known which classes are things.
        """
        things = self._known_things()
        found: dict[int, PanopticPrediction] = {}
        for places, (height, width) in _alike(batch):
            outputs = self._head(batch["image"][places, :, :height, :width])
            for i, place in enumerate(places):
                valid, original = (
                    tuple(batch[key][place].tolist()) for key in ("size", "original_size")
                )
                found[place] = predict_panoptic(
                    outputs["class_logits"][i],
                    outputs["mask_logits"][i],
                    ImageSizes((height, width), valid, original),
                    things=things,
                    merge=self.merge,
                    semantic=measured and self.semantic_evaluator is not None,
                    instances=measured and self.instance_evaluator is not None,
                )
        return [found[i] for i in range(len(found))]

    def _known_things(self) -> list[int]:
        if self.things is None:
            raise ConfigError(
                "it is not known which classes are things (countable objects), and which are "
                "stuff. Give things=[...], their indices, or data that has them."
            )
        return self.things

    def training_step(self, batch: PanopticBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        outputs = self._head(batch["image"])
        size = (outputs["mask_logits"].shape[-2], outputs["mask_logits"].shape[-1])
        targets = make_mask_targets(batch["mask"], batch["segments"], size)
        terms = self.criterion(outputs, targets)
        return self.log_losses("train", terms, len(batch["image"]))

    def evaluate(
        self, stage: str, outputs: Sequence[PanopticPrediction], batch: PanopticBatch
    ) -> Sequence[PanopticPrediction]:
        """Add the predictions for a batch of the `"val"` or `"test"` set; returns them."""
        for i, (one, segments) in enumerate(zip(outputs, batch["segments"], strict=True)):
            height, width = one["mask"].shape
            ids = batch["mask"][i, :height, :width]
            pairs = overlaps(ids.cpu().numpy(), one["mask"].cpu().numpy())
            self.evaluator.update(pairs, segments_of(segments), segments_of(one["segments"]))
            if self.semantic_evaluator is not None:
                labels = class_map(ids, segments)
                self.semantic_evaluator.update(one["semantic"], labels, where=batch["path"][i])
            if self.instance_evaluator is not None:
                seen = len(self.instance_evaluator)
                number = int(batch["index"][i]) if "index" in batch else self._number(seen)
                self.instance_evaluator.update(number, one["instances"], ids, segments)
        return outputs

    def _number(self, seen: int) -> int:
        """A number for an image that has none: each of n processes has every n-th image."""
        return seen * self.trainer.world_size + self.trainer.global_rank

    def begin_evaluation(self) -> None:
        """Reset the counts."""
        for evaluator in (self.evaluator, self.semantic_evaluator, self.instance_evaluator):
            if evaluator is not None:
                evaluator.reset()

    def end_evaluation(self, stage: str) -> None:
        """Sum the counts of all processes, and log the metrics."""
        things, names = self._known_things(), self.class_names
        numbers = np.arange(self.num_classes)
        known = names or [str(k) for k in numbers]
        self.panoptic_result = self.evaluator.compute(
            known, numbers, np.isin(numbers, things), all_processes=True
        )
        scalars = self.panoptic_result.scalars()
        if self.semantic_evaluator is not None:
            self.segmentation_result = self.semantic_evaluator.compute(names)
            scalars["mIoU"] = self.segmentation_result.mIoU
        if self.instance_evaluator is not None:
            self.coco_result = self.instance_evaluator.compute(names, things)
            scalars["mask_AP"] = self.coco_result.scalars()["mask_AP"]
        self.log_evaluation(stage, scalars, shown=SHOWN)

    def predict_step(self, batch: PanopticBatch, batch_idx: int) -> list[PanopticPrediction]:
        """The segments of each image of a batch, in the size of its file."""
        return with_paths(self.run(batch, measured=False), batch)


def _alike(batch: PanopticBatch) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """Indices of the images that share the size that the network gets, with this size."""
    sizes = batch["canvas"] if "canvas" in batch else batch["size"]
    groups = places_by((height, width) for height, width in sizes.tolist())
    for size, places in groups.items():
        yield places, size
