"""Transforms of sweeps of a lidar with boxes in space."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from vision.contracts.boxes3d import CENTRE
from vision.data.index.lidar import SweepObjects, SweepView
from vision.data.transforms.lidar_options import LidarAugment
from vision.data.transforms.object_pasting import ObjectPaster
from vision.data.transforms.points import Motion, kept_points
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError
from vision.ops.points_in_boxes import points_in_boxes
from vision.options import MAX_COUNT, Range, check_ranges

LIMITS = Range(minimum=-1000, maximum=1000, length=6, unit="metres (x, y, z, x, y, z)")
POINTS = Range(minimum=0, maximum=MAX_COUNT, unit="points")


class TransformedSweep(NamedTuple):
    """An input, and what is learned of it.

    Attributes:
        points: float32 `(P, C)`.
        lidar_to_camera: float64 `(4, 4)`, from the frame of the points to that of the camera.
        objects: What is learned; None in evaluation and prediction.
    """

    points: np.ndarray
    lidar_to_camera: np.ndarray
    objects: SweepObjects | None


class LidarTransform(ABC):
    """Keeps the points of a sweep that are within a range and, if wanted, seen by the camera.

    Args:
        point_range: Lowest x, y and z, then highest, in metres; the highest are left out.
        in_view: Whether points that the camera does not see are left out.

    Attributes:
        options: The arguments, by name, as plain values.

    Raises:
        ConfigError: A limit is out of its range, or not below the other.
    """

    def __init__(self, *, point_range: Sequence[float], in_view: bool) -> None:
        check_ranges({"point_range": point_range}, {"point_range": LIMITS})
        low, high = (
            np.array(part, dtype=np.float64) for part in (point_range[:3], point_range[3:])
        )
        if (low >= high).any():
            raise ConfigError(
                f"point_range={[*point_range]} must have lower x, y and z first, then higher ones."
            )
        self.low, self.high = low, high
        self.in_view = in_view
        self.options: dict[str, Any] = {
            "point_range": [float(value) for value in point_range],
            "in_view": in_view,
        }

    def visible(self, points: np.ndarray, view: SweepView) -> np.ndarray:
        """The points `(P, C)` that the camera sees, or all."""
        return points[seen_points(points, view)] if self.in_view else points

    def within(self, points: np.ndarray) -> np.ndarray:
        """Which points `(P, C)`, or centres of boxes, are within the range, bool `(P,)`."""
        places = points[:, CENTRE]
        inside: np.ndarray = (places >= self.low) & (places < self.high)
        return np.logical_and.reduce(inside, axis=1)

    @abstractmethod
    def change(
        self, points: np.ndarray, view: SweepView, objects: SweepObjects | None
    ) -> TransformedSweep:
        """Change a sweep.

        Args:
            points: float32 `(P, C)`, as from `visible`.
            view: The camera.
            objects: The annotated objects, if they are known.
        """


class LidarTrainTransform(LidarTransform):
    """The random augmentation of a training sweep, with random numbers of PyTorch.

    Pasted objects, a motion about the lidar, then the range. Objects are learned if enough of the
    points are in their boxes, and if their centres stay within the range.

    Args:
        augment: The options.
        min_points: Fewest points of an object that is learned.
        point_range: As in `LidarTransform`.
        in_view: As in `LidarTransform`.
        paster: Pastes objects; None for no pasted ones.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        augment: LidarAugment,
        *,
        min_points: int,
        point_range: Sequence[float],
        in_view: bool,
        paster: ObjectPaster | None = None,
    ) -> None:
        super().__init__(point_range=point_range, in_view=in_view)
        check_ranges({"min_points": min_points}, {"min_points": POINTS})
        self.augment = augment
        self.min_points = min_points
        self.paster = paster

    def change(
        self, points: np.ndarray, view: SweepView, objects: SweepObjects | None
    ) -> TransformedSweep:
        """Augment a sweep; there are no `objects` without annotated ones."""
        rng = SampleRng()
        if objects is not None and self.paster is not None:
            points, objects = self.paster.paste(points, objects)
        if objects is not None:
            objects = objects.take((objects.labels >= 0) & self._has_points(points, objects))
        motion = sample_motion(self.augment, rng)
        moved = motion.points(points)
        if not self.within(moved).any():
            motion, moved = Motion(), points
        moved = moved[self.within(moved)]
        if self.augment.dropped:
            moved = moved[kept_points(len(moved), self.augment.dropped)]
        if objects is not None:
            objects = objects._replace(boxes3d=motion.boxes(objects.boxes3d))
            objects = objects.take(self.within(objects.boxes3d))
        to_camera = view.lidar_to_camera @ np.linalg.inv(motion.matrix())
        return TransformedSweep(moved, to_camera, objects)

    def _has_points(self, points: np.ndarray, objects: SweepObjects) -> np.ndarray:
        places = torch.from_numpy(points[:, CENTRE])
        inside = points_in_boxes(places, torch.from_numpy(objects.boxes3d))
        return (inside.sum(dim=1) >= self.min_points).numpy()


class LidarEvalTransform(LidarTransform):
    """The points within the range, in the order and in the frame of the file.

    Args:
        point_range: As in `LidarTransform`.
        in_view: As in `LidarTransform`.

    Raises:
        ConfigError: A limit is out of its range, or not below the other.
    """

    def change(
        self, points: np.ndarray, view: SweepView, objects: SweepObjects | None = None
    ) -> TransformedSweep:
        """Cut a sweep to the range; objects are left out."""
        return TransformedSweep(points[self.within(points)], view.lidar_to_camera, None)


def sample_motion(augment: LidarAugment, rng: SampleRng) -> Motion:
    """Sample how a training sweep is moved.

    Args:
        augment: The options.
        rng: Random numbers of the sample.
    """
    x, y = (rng.chance(probability) for probability in augment.mirror)
    limit = math.radians(augment.rotation)
    return Motion((x, y), rng.uniform(-limit, limit), rng.uniform(*augment.scale))


def seen_points(points: np.ndarray, view: SweepView) -> np.ndarray:
    """Which points the camera sees, hidden ones among them.

    Args:
        points: `(P, C)` in the frame of the lidar.
        view: The camera.

    Returns:
        bool `(P,)`: in front of the camera, and within the borders of its image.
    """
    projection = view.camera @ view.lidar_to_camera
    scaled = points[:, CENTRE] @ projection[:, :3].T + projection[:, 3]  # (P, 3)
    depth = scaled[:, 2]
    height, width = view.size.tolist()
    # Without a division: that of a point beside the camera means nothing.
    column, row = scaled[:, 0], scaled[:, 1]
    seen = (column >= 0) & (column < width * depth) & (row >= 0) & (row < height * depth)
    return seen & (depth > 0)
