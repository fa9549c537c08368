"""Segmentation of point clouds.

head         vision/heads/points/, by the rows of vision/tasks/point_decoders.py
losses       vision/losses/points.py
metrics      vision/metrics/points/, IoU over the points of all rooms
inference    one pass over the voxels of a cloud, or several over rotated ones
datamodules  vision.data.S3DIS, ScanNet, PointFolder
configs      configs/points/
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.backbones.encoder import Encoder
from vision.backbones.registry import check_input
from vision.backbones.swin3d import Swin3D
from vision.contracts.points import IGNORED, PointBatch, PointPrediction
from vision.errors import ConfigError
from vision.heads.points.swin3d import Swin3DHead
from vision.keywords import Unpack
from vision.metrics.points.evaluator import PointEvaluator
from vision.metrics.points.table import PointScores
from vision.ops.point_rotations import rotate_about_z, rotate_clouds
from vision.optim.settings import OptimSettings
from vision.options import check_number
from vision.tasks.base import Training
from vision.tasks.classes import ClassTask
from vision.tasks.first_batch import Stage, require_keys
from vision.tasks.parts import find_row
from vision.tasks.point_decoders import POINT_DECODERS, build_point_parts
from vision.tasks.points_checks import (
    check_clouds,
    check_encoder,
    check_evaluated_clouds,
    check_point_labels,
)

SHOWN = ("mIoU", "mAcc", "OA")
MAX_VOTES = 360
# As published for S3DIS, with a schedule that fits any number of epochs.
DEFAULTS = OptimSettings(
    lr=6e-4,
    min_lr=1e-6,
    weight_decay=0.05,
    warmup_epochs=2,
    block_lr=0.1,
    no_decay="nothing",
)


class PointSegmentation(ClassTask):
    """Segmentation of point clouds: the class of each point of a room.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/mIoU`, `val/mAcc` and `val/OA`
    (or `test/`): fractions, over all points of the files together, without those that are ignored.

    The network has one point of each voxel; every point gets the class of its voxel.

    Args:
        backbone: A name for `create_backbone`, such as "swin3d_small", or an `Encoder` of points
            with colours.
        num_classes: Number of classes; 2 to 255.
        decoder: Name of what turns the maps of the backbone into logits: "swin3d".
        head_options: Options of the head that replace the decoder's, such as
            `{upsample: linear}`.
        loss_options: Options of `vision.losses.points.PointLossOptions`, such as
            `{terms: {cross_entropy: 1, lovasz: 1}}`.
        exchange_yz: Whether the network gets y and z exchanged, as the models that were published
            with colours alone, which have y upwards.
        votes: Rotations about the vertical axis over which an evaluation takes the mean of the
            logits, each divided by the sum of its absolute values; 1 rotates nothing.
        class_names: Name of each class; null uses them from the datamodule.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `BaseTask`.

    Attributes:
        evaluator: Counts of the rooms of the validation or test set.
        point_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "points"
    monitor = ("val/mIoU", "max")
    no_compile = (
        "how many windows there are, and how many voxels in each, differs from batch to batch, and "
        "each would be compiled anew"
    )
    backbone: Swin3D  # or another encoder with its attributes
    head: Swin3DHead

    def __init__(
        self,
        backbone: str | Encoder | None = "swin3d_small",
        num_classes: int = 13,
        *,
        decoder: str = "swin3d",
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        exchange_yz: bool = False,
        votes: int = 1,
        class_names: list[str] | None = None,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[Training],
    ) -> None:
        if isinstance(backbone, str):
            check_input(backbone, "points", owner=type(self).__name__, example="swin3d_small")
        if training.get("compile"):
            raise ConfigError(f"compile=True is not for points: {self.no_compile}. Leave it out.")
        super().__init__(backbone, optim=optim, **training)
        check_encoder(self.backbone)
        check_number("num_classes", num_classes, minimum=2, maximum=IGNORED)
        check_number("votes", votes, minimum=1, maximum=MAX_VOTES, unit="rotations")
        self.set_classes(num_classes, class_names)
        self.exchange_yz, self.votes = exchange_yz, votes
        self.head, self.criterion = build_point_parts(
            find_row(POINT_DECODERS, decoder, option="decoder"),
            self.backbone,
            num_classes=num_classes,
            head_options=head_options or {},
            loss_options=loss_options or {},
        )
        self.evaluator = PointEvaluator(num_classes)
        self.point_result: PointScores | None = None
        self.load_initial_weights()

    @property
    def uses_normals(self) -> bool:
        """Whether the network gets normals."""
        return self.backbone.normals

    def forward(
        self, coords: Tensor, colors: Tensor, counts: Tensor, normals: Tensor | None = None
    ) -> Tensor:
        """Logits of each point, one of a voxel, without votes.

        Args:
            coords: float `(V, 3)` places in voxels, 0 or more, cloud by cloud.
            colors: `(V, 3)` RGB, uint8 or float in 0..255.
            counts: int64 `(B,)` points of each cloud.
            normals: float `(V, 3)` unit vectors, for a model that uses them.

        Returns:
            float32 `(V, K)`, before the softmax over classes.
        """
        shades = colors.to(coords.dtype) / 127.5 - 1
        if self.exchange_yz:
            coords = coords[:, [0, 2, 1]]
            normals = None if normals is None else normals[:, [0, 2, 1]]
        maps = self.backbone(coords, counts, shades, normals if self.uses_normals else None)
        return self.head(maps).float()

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the clouds and labels of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        check_clouds(batch, normals=self.uses_normals)
        if stage != "train":
            check_evaluated_clouds(batch)
        if stage != "predict":
            require_keys(batch, ["coords", "label"])
            training = stage == "train"
            check_point_labels(
                batch["label"],
                num_classes=self.num_classes,
                count=len(batch["coords" if training else "voxel_of"]),
                what="voxels" if training else "points",
            )

    def training_step(self, batch: PointBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        logits = self._logits(batch)
        return self.log_losses("train", self.criterion(logits, batch["label"]), _count(batch))

    def _logits(self, batch: PointBatch) -> Tensor:
        return self(batch["coords"], batch["colors"], batch["counts"], batch.get("normals"))

    def run(self, batch: PointBatch) -> list[PointPrediction]:
        """The class of each point of the files of a batch.

        A cloud's prediction does not depend on the rest of the batch.
        """
        logits = self._logits(batch) if self.votes == 1 else self._voted(batch)
        scores, label = logits.softmax(dim=1).max(dim=1)  # (V,)
        voxel_of, counts = batch["voxel_of"], batch["point_counts"].tolist()
        parts = [values[voxel_of].split(counts) for values in (label, scores)]
        return [{"label": one, "scores": score} for one, score in zip(*parts, strict=True)]

    def _voted(self, batch: PointBatch) -> Tensor:
        """The mean over rotations: float32 `(V, K)`, log-probabilities up to their scale."""
        votes, logits = [], []
        for number in range(self.votes):
            found = self._turned(batch, number / self.votes) if number else self._logits(batch)
            logits.append(found)
            votes.append(F.normalize(found, p=1.0, dim=1))
        whole = torch.stack(votes).mean(dim=0)
        # The votes decide; their scale, which scores need, is that of the logits.
        scale = torch.stack(logits).abs().sum(dim=2).mean(dim=0)  # (V,)
        return whole * scale[:, None]

    def _turned(self, batch: PointBatch, turn: float) -> Tensor:
        """Logits `(V, K)` of a batch that is rotated by a share of a full turn."""
        turned = rotate_clouds(batch["coords"], batch["counts"], turn)
        normals = batch.get("normals")
        if normals is not None:
            normals = rotate_about_z(normals, turn)[turned.rows]
        colors = batch["colors"][turned.rows]
        return self(turned.coords, colors, turned.counts, normals)[turned.cell_of]

    def evaluate(
        self, stage: str, outputs: Sequence[PointPrediction], batch: PointBatch
    ) -> Sequence[PointPrediction]:
        """Add the predictions for a batch of the `"val"` or `"test"` set; returns them."""
        labels = batch["label"].split(batch["point_counts"].tolist())
        for room, one, target in zip(batch["room"], outputs, labels, strict=True):
            self.evaluator.update(room, one["label"], target)
        return outputs

    def begin_evaluation(self) -> None:
        """Begin with no rooms."""
        self.evaluator.reset()

    def end_evaluation(self, stage: str) -> None:
        """Gather the counts of all processes, and log the metrics."""
        self.point_result = self.evaluator.compute(self.class_names)
        self.log_evaluation(stage, self.point_result.scalars(), shown=SHOWN)

    def predict_step(self, batch: PointBatch, batch_idx: int) -> list[PointPrediction]:
        """The class of each point of each file of a batch."""
        named = zip(self.run(batch), batch["path"], batch["room"], strict=True)
        return [{**one, "path": path, "room": room} for one, path, room in named]


def _count(batch: PointBatch) -> int:
    return len(batch["counts"])
