"""The sweeps of a split with their cameras and boxes in space, in arrays."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from vision.contracts.boxes3d import CAMERA, LIDAR, SIZE
from vision.data.index.boxes3d import Boxes3DIndex, SceneObjects
from vision.data.index.masked_files import take_paths
from vision.errors import DataError
from vision.ops.boxes3d import move_boxes


class SweepView(NamedTuple):
    """The camera that sees a part of a sweep.

    Attributes:
        lidar_to_camera: float64 `(4, 4)`, from the frame of the points to that of the camera.
        camera: float64 `(3, 4)`, the projection from there to pixels.
        size: int64 `(2,)`, height and width of the image in pixels.
    """

    lidar_to_camera: np.ndarray
    camera: np.ndarray
    size: np.ndarray


class SweepObjects(NamedTuple):
    """The N annotated objects of a sweep.

    Attributes:
        boxes3d: float64 `(N, 7)` in the frame `LIDAR`.
        labels: int64 `(N,)` class index; `OTHER` for what is not learned.
    """

    boxes3d: np.ndarray
    labels: np.ndarray

    def take(self, chosen: np.ndarray) -> "SweepObjects":
        """Those at some places, or that a mask chooses."""
        return SweepObjects(*(column[chosen] for column in self))


@dataclass(frozen=True, kw_only=True, eq=False)
class LidarIndex(Boxes3DIndex):
    """The sweeps of a split.

    Attributes:
        images: Path of each sweep.
        lidar_to_camera: float64 `(N, 4, 4)`, from the frame of each to that of its camera.
        sizes: int64 `(N, 2)`, height and width in pixels of the image of each.

    Raises:
        DataError: The numbers of sweeps, cameras and lists of objects differ.
    """

    lidar_to_camera: np.ndarray
    sizes: np.ndarray
    unit: ClassVar[str] = "sweeps"

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = [len(self.images), len(self.lidar_to_camera), len(self.sizes)]
        if len({*counts}) > 1:
            raise DataError(f"numbers of sweeps, calibrations and sizes differ: {counts}.")

    def view(self, place: int) -> SweepView:
        """The camera of a sweep, by its index in the split."""
        return SweepView(self.lidar_to_camera[place], self.cameras[place], self.sizes[place])

    def in_space(self, place: int) -> SceneObjects:
        """The objects of a sweep that have a place in space, in the frame of the camera.

        Raises:
            DataError: They are not known.
        """
        scene = self.scene(place)
        # A region without annotations has no size.
        return scene.take(np.all(scene.boxes3d[:, SIZE] > 0, axis=1))

    def objects_of(self, place: int) -> SweepObjects:
        """The same objects in the frame of the lidar, by the index of their sweep in the split.

        Raises:
            DataError: They are not known.
        """
        scene = self.in_space(place)
        to_lidar = torch.from_numpy(np.linalg.inv(self.lidar_to_camera[place]))
        boxes = move_boxes(torch.from_numpy(scene.boxes3d), to_lidar, CAMERA, LIDAR)
        return SweepObjects(boxes.numpy(), scene.labels)

    def take(self, chosen: np.ndarray) -> "LidarIndex":
        """The sweeps at some indices, int64 `(n,)`, as an index of their own."""
        return replace(
            self,
            images=take_paths(self.images, chosen),
            cameras=self.cameras[chosen],
            objects=None if self.objects is None else self.objects.take(chosen),
            lidar_to_camera=self.lidar_to_camera[chosen],
            sizes=self.sizes[chosen],
        )
