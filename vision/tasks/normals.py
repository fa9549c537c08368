"""Surface normals.

head         vision/heads/depth/dpt.py and vision/heads/mask_transformer/polymax.py, by the rows of
             vision/tasks/dense_decoders.py
neck         vision/necks/
losses       vision/losses/dense.py
metrics      vision/metrics/normals.py, angles over all pixels of a set
datamodules  vision.data.NYUv2Normals, NormalsFolder
configs      configs/normals/
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vision.backbones.base import Backbone
from vision.contracts.normals import NormalsBatch, NormalsPrediction
from vision.heads.depth.readout import NormalsReadout
from vision.keywords import Unpack
from vision.metrics.normals import NormalsEvaluator, NormalsScores
from vision.metrics.normals_maps import angles_of_maps
from vision.optim.settings import OptimSettings
from vision.tasks.dense import DEFAULTS, DenseTask
from vision.tasks.dense_checks import check_normals_values
from vision.tasks.dense_decoders import NORMALS_DECODERS
from vision.tasks.first_batch import Stage
from vision.tasks.image import ImageTraining

SHOWN = ("mean", "median", "below_11.25")


class SurfaceNormals(DenseTask):
    """Surface normals: the direction that the surface in each pixel of an image faces.

    Normals are unit vectors in the frame of the camera, x to the right, y down, z into the scene;
    they point towards the camera, so that z is negative.

    Logs `train/loss` and its terms, `lr`, and per evaluation `val/mean`, `val/median` and
    `val/rmse` of the angles in degrees, and the shares `val/below_11.25`, `val/below_22.5` and
    `val/below_30` (or `test/`): over all pixels of the set together that have a normal.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone` built with `dense=True`.
        decoder: Name of what turns the maps of the backbone into normals: "dpt" or "polymax".
        neck_options: Options of the neck that replace the decoder's.
        head_options: Options of the head that replace the decoder's, such as `features`.
        loss_options: Options of `vision.losses.dense.NormalsLoss`, such as `terms`.
        flip: Whether inference takes the mean with the mirrored image, which doubles the time.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `ImageTask`.

    Attributes:
        evaluator: Angles of the pixels of the validation or test set.
        normals_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "normals"
    key = "normals"
    monitor = ("val/mean", "min")

    def __init__(
        self,
        backbone: str | Backbone | None = "swin_tiny",
        *,
        decoder: str = "dpt",
        neck_options: dict[str, Any] | None = None,
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        flip: bool = False,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[ImageTraining],
    ) -> None:
        super().__init__(backbone, optim=optim, **training)
        self.set_parts(
            NORMALS_DECODERS,
            decoder,
            NormalsReadout(),
            neck_options=neck_options,
            head_options=head_options,
            loss_options=loss_options,
            limits={},
            flip=flip,
        )
        self.evaluator = NormalsEvaluator()
        self.normals_result: NormalsScores | None = None
        self.load_initial_weights()

    def unpack(self, values: Tensor) -> Tensor:
        """Normals `(B, 3, H, W)` of values `(B, 3, H, W)`."""
        return values

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images and normals of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        if stage != "predict":
            check_normals_values(batch["normals"])

    def evaluate(
        self, stage: str, outputs: Sequence[NormalsPrediction], batch: NormalsBatch
    ) -> Sequence[NormalsPrediction]:
        """Add the predictions for a batch of the `"val"` or `"test"` set; returns them."""
        for one, normals, path in zip(outputs, batch["normals"], batch["path"], strict=True):
            height, width = one["normals"].shape[1:]
            angles = angles_of_maps(one["normals"], normals[:, :height, :width], where=path)
            self.evaluator.update(angles)
        return outputs

    def begin_evaluation(self) -> None:
        """Forget the angles."""
        self.evaluator.reset()

    def end_evaluation(self, stage: str) -> None:
        """Add up the angles of all processes, and log the metrics."""
        self.normals_result = self.evaluator.compute(all_processes=True)
        self.log_evaluation(stage, self.normals_result.scalars(), shown=SHOWN)
