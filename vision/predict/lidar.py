"""Prediction of boxes in space, from sweeps of a lidar.

Letters: P points, C numbers of a point, M objects.
"""

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from vision.contracts.lidar import LidarPrediction
from vision.data.loading.collate_lidar import collate_lidar
from vision.data.transforms.lidar import LidarEvalTransform
from vision.draw.sweeps import draw_sweep
from vision.errors import ConfigError
from vision.metrics.kitti.objects import is_kitti
from vision.ops.boxes3d_rows import lidar_rows
from vision.ops.lidar_predictions import looking_ahead
from vision.predict.detection3d import KITTI, Boxes3DResult
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, build_transform
from vision.predict.results import Result
from vision.predict.sweep_cameras import EXPECTED, SweepCameras
from vision.predict.sweep_sources import SweepSources

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False, repr=False)
class LidarResult(Boxes3DResult):
    """The M objects of a sweep, highest score first.

    Without a calibration what is in the frame of the camera is in that of one in the place of the
    lidar that looks ahead, 2-D boxes are empty, and there is no text of KITTI.

    Attributes:
        image: float32 `(P, C)`, the points of the sweep as they were given.
        boxes3d_lidar: float32 `(M, 7)` centre x forward, y left and z up, length, height and width
            in metres, and yaw in radians, in the frame of the lidar: `vision.contracts.boxes3d`.
        calibrated: Whether the camera is known.
    """

    boxes3d_lidar: Tensor
    calibrated: bool

    @property
    def size(self) -> tuple[int, ...]:
        """Number of points."""
        return (len(self.image),)

    def plot(self, *, threshold: float = 0.0) -> "Image":
        """Draw the sweep from above, points coloured by their height, with the boxes.

        Args:
            threshold: Minimum score of drawn objects.
        """
        from PIL import Image

        kept = self.scores >= threshold
        drawn = draw_sweep(
            self.image,
            self.boxes3d_lidar[kept],
            labels=self.labels[kept],
            scores=self.scores[kept],
            class_names=self._known_names(),
        )
        return Image.fromarray(drawn)

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` (points) and `objects`, each as `lidar_rows` describes it."""
        rows = lidar_rows(self._prediction(), self.names, camera=self.calibrated)
        return {**self._head(), "objects": rows}

    def to_kitti(self) -> str:
        """The objects in KITTI's text, a line each, in the frame of the camera.

        Raises:
            ConfigError: The camera is not known, or a class is none of KITTI's.
        """
        self._require_camera("KITTI's text is in the frame of the camera")
        return super().to_kitti()

    def to_coco(
        self, image_id: int | None = None, category_ids: list[int] | None = None
    ) -> list[dict[str, Any]]:
        """Refused: COCO's format has no place for boxes of a sweep.

        Raises:
            ConfigError: Always.
        """
        return Result.to_coco(self, image_id, category_ids)

    def to_supervision(self) -> Any:
        """`supervision.Detections` of 2-D boxes in the image of the camera, as of images.

        Raises:
            ConfigError: The camera is not known.
            MissingPackageError: The package is not installed.
        """
        self._require_camera("2-D boxes are in the image of the camera")
        return super().to_supervision()

    def _require_camera(self, why: str) -> None:
        if not self.calibrated:
            raise ConfigError(f"{why}, which is not known: give camera=... to predict. {EXPECTED}")

    def _prediction(self) -> LidarPrediction:
        return {**super()._prediction(), "boxes3d_lidar": self.boxes3d_lidar}

    def _summary(self) -> str:
        counts = super(Boxes3DResult, self)._summary()
        if not len(self):
            return counts
        nearest = self.boxes3d_lidar[:, :2].norm(dim=1).min()
        return f"{counts}, the nearest at {nearest:.1f} m"


class LidarPredictor(Predictor):
    """Predicts boxes in space of sweeps; one does not depend on the rest of its batch.

    A calibration is used if it is given: of a model that was trained on what a camera sees, other
    points are left out, and objects are found in the frame of the camera too.
    """

    collate = staticmethod(collate_lidar)
    takes_camera = True
    takes_frames = False
    embeds = False
    untiled = "which reads whole sweeps"
    instead_of_tiles = "Cut the sweep up, and predict the parts."

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        task: Any = model.task
        grid = task.reader.grid
        own = {"point_range": [*grid.low, *grid.high], "in_view": False}
        self.transform: LidarEvalTransform = build_transform(
            LidarEvalTransform, model.preprocessing or own
        )
        self.sources = SweepSources(task.reader.in_channels, self.transform)
        self.cameras: SweepCameras | None = None
        self._kitti = is_kitti(self.names)

    def check(self, options: PredictOptions) -> None:
        """Refuse options that do not apply, and numbers in place of a calibration.

        Raises:
            ConfigError: An option does not apply.
        """
        super().check(options)
        if options.camera is not None:
            SweepCameras(options.camera)  # type: ignore[arg-type]

    def for_options(self, options: PredictOptions) -> Self:
        """A predictor of sweeps with the cameras of the options."""
        other = copy.copy(self)
        other.cameras = None
        if options.camera is not None:
            other.cameras = SweepCameras(options.camera)  # type: ignore[arg-type]
        elif self.transform.in_view:
            logger.warning(
                "the model was trained on the points that a camera sees, and there is no "
                "calibration: all points within its range are used. %s",
                EXPECTED,
            )
        return other

    def prepare(self, image: np.ndarray, path: str | None, index: int) -> dict[str, Any]:
        """The points that the model reads, with the camera."""
        points, to_camera = image, looking_ahead()
        camera, size = torch.zeros(3, 4), torch.zeros(2, dtype=torch.int64)
        if self.cameras is not None:
            view = self.cameras.view(path)
            points = self.transform.visible(points, view)
            to_camera = torch.from_numpy(view.lidar_to_camera).float()
            camera, size = torch.from_numpy(view.camera).float(), torch.from_numpy(view.size)
        return {
            "points": torch.from_numpy(points[self.transform.within(points)]),
            "lidar_to_camera": to_camera,
            "camera": camera,
            "camera_size": size,
            "path": path or "",
        }

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> LidarResult:
        """The objects of a sweep with scores at or above the threshold."""
        kept = prediction["scores"] >= options.threshold
        task: Any = self.model.task
        assert seen.sample is not None, "it is not cut into tiles"
        return LidarResult(
            image=torch.from_numpy(seen.image),
            path=seen.path,
            index=seen.index,
            names=self.names,
            boxes3d_lidar=prediction["boxes3d_lidar"][kept],
            boxes3d=prediction["boxes3d"][kept],
            boxes=prediction["boxes"][kept],
            alpha=prediction["alpha"][kept],
            labels=prediction["labels"][kept],
            scores=prediction["scores"][kept],
            projection=seen.sample["camera"],
            calibrated=self.cameras is not None,
            decimals=task.evaluator.decimals,
        )

    def files_beside(self, options: PredictOptions) -> tuple[str, ...]:
        """The folder of KITTI's text, if there is a calibration and a name for all classes."""
        return (KITTI,) if self._kitti and options.camera is not None else ()

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write KITTI's text, if it can be written; the line names the file."""
        assert isinstance(result, LidarResult), "of the same kind"
        line = result.to_dict()
        if not (self._kitti and result.calibrated):
            return line
        file = result.save_kitti(folder / KITTI / f"{name}.txt")
        return {**line, "file": file.relative_to(folder).as_posix()}
