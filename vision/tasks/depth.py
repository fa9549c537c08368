"""Depth estimation.

head         vision/heads/depth/dpt.py and vision/heads/mask_transformer/polymax.py, by the rows of
             vision/tasks/dense_decoders.py
neck         vision/necks/
losses       vision/losses/dense.py
metrics      vision/metrics/depth.py, the errors of NYUv2 and KITTI
datamodules  vision.data.NYUv2, KITTIDepth, DepthFolder
configs      configs/depth/
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vision.backbones.base import Backbone
from vision.contracts.depth import DepthBatch, DepthPrediction
from vision.heads.depth.readout import Activation, DepthReadout
from vision.keywords import Unpack
from vision.metrics.depth_evaluator import DepthEvaluator
from vision.metrics.depth_protocol import DepthEvaluation
from vision.metrics.depth_table import DepthScores
from vision.optim.settings import OptimSettings
from vision.options import read_options
from vision.tasks.dense import DEFAULTS, DenseTask
from vision.tasks.dense_checks import check_depth_values
from vision.tasks.dense_decoders import DEPTH_DECODERS
from vision.tasks.first_batch import Stage
from vision.tasks.image import ImageTraining

SHOWN = ("abs_rel", "rmse", "delta1")
EVALUATION = DepthEvaluation()


class DepthEstimation(DenseTask):
    """Depth estimation: the distance along the optical axis of each pixel of an image, in metres.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/abs_rel`, `val/sq_rel`,
    `val/rmse`, `val/rmse_log`, `val/log10`, `val/silog` and `val/delta1` to `val/delta3` (or
    `test/`), as in `vision.metrics.depth.depth_errors`: of each image over the pixels that count,
    and then the mean over images.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone` built with `dense=True`.
        decoder: Name of what turns the maps of the backbone into depth: "dpt" or "polymax".
        min_depth: The smallest depth in metres that is predicted, and that counts.
        max_depth: Likewise the largest: 10 for NYUv2, 80 for KITTI.
        activation: How an output becomes a depth. "sigmoid" lies between the limits; "softplus" is
            above the smallest depth, and the largest only says what counts.
        neck_options: Options of the neck that replace the decoder's.
        head_options: Options of the head that replace the decoder's, such as `features`.
        loss_options: Options of `vision.losses.dense.DepthLoss`, such as `terms`.
        evaluation: Options of the evaluation: the part of an image that counts, whether predictions
            are scaled, and other limits than those of the task.
        flip: Whether inference takes the mean with the mirrored image, which doubles the time.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `ImageTask`.

    Attributes:
        evaluator: Errors of the images of the validation or test set.
        depth_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "depth"
    key = "depth"
    monitor = ("val/abs_rel", "min")

    def __init__(
        self,
        backbone: str | Backbone | None = "swin_tiny",
        *,
        decoder: str = "dpt",
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
        activation: Activation = "sigmoid",
        neck_options: dict[str, Any] | None = None,
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        evaluation: DepthEvaluation = EVALUATION,
        flip: bool = False,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_parts(
            DEPTH_DECODERS,
            decoder,
            DepthReadout(min_depth=min_depth, max_depth=max_depth, activation=activation),
            neck_options=neck_options,
            head_options=head_options,
            loss_options=loss_options,
            limits={"min_depth": min_depth, "max_depth": max_depth},
            flip=flip,
        )
        self.min_depth, self.max_depth = min_depth, max_depth
        self.evaluation = read_options(DepthEvaluation, evaluation, group="evaluation")
        self.evaluator = DepthEvaluator(self.evaluation.protocol(min_depth, max_depth))
        self.depth_result: DepthScores | None = None
        self.load_initial_weights()

    def unpack(self, values: Tensor) -> Tensor:
        """Depth `(B, H, W)` in metres of values `(B, 1, H, W)`."""
        return values[:, 0]

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images and depths of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        if stage != "predict":
            check_depth_values(batch["depth"], self.min_depth, self.max_depth)

    def evaluate(
        self, stage: str, outputs: Sequence[DepthPrediction], batch: DepthBatch
    ) -> Sequence[DepthPrediction]:
        """Add the predictions for a batch of the `"val"` or `"test"` set; returns them."""
        indices = batch["index"].tolist() if "index" in batch else [None] * len(outputs)
        for one, depth, path, index in zip(
            outputs, batch["depth"], batch["path"], indices, strict=True
        ):
            height, width = one["depth"].shape
            self.evaluator.update(one["depth"], depth[:height, :width], where=path, index=index)
        return outputs

    def begin_evaluation(self) -> None:
        """Forget the errors."""
        self.evaluator.reset()

    def end_evaluation(self, stage: str) -> None:
        """Gather the errors of all processes, and log their means."""
        self.depth_result = self.evaluator.compute()
        self.log_evaluation(stage, self.depth_result.scalars(), shown=SHOWN)
