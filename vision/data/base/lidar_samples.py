"""Samples of a dataset of sweeps of a lidar."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.contracts.detection3d import OTHER, Boxes3DTruth
from vision.contracts.lidar import LidarSample
from vision.data.base.splits import require_targets
from vision.data.formats.sweep_files import read_sweep
from vision.data.index.lidar import LidarIndex, SweepObjects
from vision.data.transforms.lidar import LidarTransform
from vision.errors import ImageError


class LidarExample(NamedTuple):
    """A sweep as it is in its file, with what is known of it, for pictures.

    Attributes:
        points: float32 `(P, C)`.
        lidar_to_camera: float32 `(4, 4)`, from the frame of the points to that of the camera.
        camera: float32 `(3, 4)`, the projection from there to pixels.
        camera_size: int64 `(2,)`, height and width of the image in pixels.
        truth: What is annotated, in the frame of the camera.
    """

    points: Tensor
    lidar_to_camera: Tensor
    camera: Tensor
    camera_size: Tensor
    truth: Boxes3DTruth


class LidarSamples(Dataset[LidarSample]):
    """Sweeps with their cameras and boxes in space.

    Args:
        index: The sweeps.
        transform: Makes inputs, and what is learned of them.
        trained: bool `(K,)`, which classes are learned.
        numbers: Numbers of each point in a file.
        targets: Whether samples have a `target` or, where the transform makes none, a `truth`.

    Attributes:
        paths: Path of each sweep.

    Raises:
        DataError: `targets` is true, but objects are not known.
    """

    def __init__(
        self,
        index: LidarIndex,
        transform: LidarTransform,
        trained: np.ndarray,
        *,
        numbers: int,
        targets: bool = True,
    ) -> None:
        if targets:
            require_targets(index, "labels")
        self.index = index
        self.paths = index.images
        self.transform = transform
        self.trained = trained
        self.numbers = numbers
        self.targets = targets

    def __getitem__(self, place: int) -> LidarSample:
        """The sample of a sweep, by its number in the index.

        Raises:
            ImageError: The sweep is absent or broken, or none of its points is within the range.
        """
        view = self.index.view(place)
        made = self.transform.change(
            self.visible(place), view, self.objects(place) if self.targets else None
        )
        sample: LidarSample = {
            "points": torch.from_numpy(made.points),
            "lidar_to_camera": _floats(made.lidar_to_camera),
            "camera": _floats(view.camera),
            "camera_size": torch.from_numpy(view.size.copy()),
            "path": self.paths[place],
        }
        if made.objects is not None:
            sample["target"] = {
                "boxes3d": _floats(made.objects.boxes3d),
                "labels": torch.from_numpy(made.objects.labels),
            }
        elif self.targets:
            sample["truth"] = self.index.truth(place)
        return sample

    def visible(self, place: int) -> np.ndarray:
        """The points of a sweep that the camera sees, if others are left out, float32 `(P, C)`.

        Raises:
            ImageError: The sweep is absent or broken, or none of these is within the range.
        """
        path = self.paths[place]
        points = read_sweep(path, self.numbers)
        visible = self.transform.visible(points, self.index.view(place))
        if self.transform.within(visible).any():
            return visible
        low, high = (limit(points[:, :3], axis=0).tolist() for limit in (np.min, np.max))
        span = ", ".join(
            f"{axis} {least:.4g} to {most:.4g}"
            for axis, least, most in zip("xyz", low, high, strict=True)
        )
        seen = " and seen by the camera (data.in_view)" if self.transform.in_view else ""
        raise ImageError(
            f"sweep '{path}': none of its {len(points):,} points is within data.point_range="
            f"{self.transform.options['point_range']}{seen}: they have {span}. Correct the range, "
            "or the frame and the unit of the file (x forward, y left, z up, in metres)."
        )

    def within(self, points: np.ndarray) -> np.ndarray:
        """Which points, or centres of boxes, are within the range, as of `LidarTransform`."""
        return self.transform.within(points)

    def objects(self, place: int) -> SweepObjects:
        """The objects of a sweep; those of classes that are not learned have the label `OTHER`."""
        objects = self.index.objects_of(place)
        learned = np.append(self.trained, False)[objects.labels]  # `OTHER` is the last place
        return objects._replace(labels=np.where(learned, objects.labels, OTHER))

    def example(self, place: int) -> LidarExample:
        """A sweep as it is in its file, by its number in the index, for pictures.

        Raises:
            ImageError: The sweep is absent or broken.
            DataError: Its objects are not known.
        """
        view = self.index.view(place)
        return LidarExample(
            points=torch.from_numpy(read_sweep(self.paths[place], self.numbers)),
            lidar_to_camera=_floats(view.lidar_to_camera),
            camera=_floats(view.camera),
            camera_size=torch.from_numpy(view.size.copy()),
            truth=self.index.truth(place),
        )

    def __len__(self) -> int:
        return len(self.index)


def _floats(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
