"""Transforms of clouds of points: to one point for each voxel, and augmented ones to train on.

The augmentation of "Swin3D: A Pretrained Transformer Backbone for 3D Indoor Scene Understanding",
Y. Yang et al., 2023, arXiv:2304.06906, for S3DIS. Letters: P points, V voxels that hold points.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.data.transforms.clouds import Cloud
from vision.data.transforms.points import (
    GREY,
    Motion,
    change_colors,
    drop_colors,
    jitter,
)
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.room_voxels import (
    any_of_each,
    find_voxels,
    nearest_to_centres,
    nearest_to_one,
)
from vision.data.transforms.rooms_options import VOXEL_SIZE, PointAugment
from vision.options import check_ranges

DEFAULT_VOXEL_SIZE = 0.04


class VoxelCloud(NamedTuple):
    """What a model gets of a cloud, as of `vision.contracts.points.PointSample`.

    Attributes:
        coords: float32 `(V, 3)`.
        colors: uint8 `(V, 3)`; the middle grey of a cloud that has none.
        normals: float32 `(V, 3)`; None where the cloud has none.
        label: int64, in training `(V,)`, in evaluation `(P,)`; None likewise.
        voxel_of: int64 `(P,)`; None in training.
    """

    coords: Tensor
    colors: Tensor
    normals: Tensor | None
    label: Tensor | None
    voxel_of: Tensor | None = None


class PointTransform(ABC):
    """Brings clouds to one point for each voxel.

    Args:
        voxel_size: Side of a voxel in metres.

    Attributes:
        options: The arguments, by name, as plain values.

    Raises:
        ConfigError: It is out of its range.
    """

    def __init__(self, *, voxel_size: float = DEFAULT_VOXEL_SIZE) -> None:
        check_ranges({"voxel_size": voxel_size}, {"voxel_size": VOXEL_SIZE})
        self.voxel_size = float(voxel_size)
        self.options: dict[str, Any] = {"voxel_size": self.voxel_size}

    @abstractmethod
    def change(self, cloud: Cloud, path: str = "the cloud") -> VoxelCloud:
        """Change a cloud.

        Args:
            cloud: Its points in metres, its labels as class indices.
            path: The file, for errors.

        Raises:
            DataError: It has more than `vision.data.transforms.room_voxels.MAX_VOXELS` voxels.
        """


class PointEvalTransform(PointTransform):
    """Takes the point of each voxel that is nearest to its centre, and keeps the voxel of each.

    Between points at equal distances the smallest x, y, z, colours and normals decide, so that the
    order of the points in the file changes nothing. Voxels are in the order of x, y, z.

    Args:
        voxel_size: Side of a voxel in metres.
        unit_m: The unit of the coordinates in files, in metres. Who reads files for a model finds
            it here; clouds that are changed are in metres already.
        full_color: Number of full brightness in files, likewise.
    """

    def __init__(
        self,
        *,
        voxel_size: float = DEFAULT_VOXEL_SIZE,
        unit_m: float = 1.0,
        full_color: float = 255.0,
    ) -> None:
        super().__init__(voxel_size=voxel_size)
        self.unit_m, self.full_color = float(unit_m), float(full_color)
        self.options |= {"unit_m": self.unit_m, "full_color": self.full_color}

    def change(self, cloud: Cloud, path: str = "the cloud") -> VoxelCloud:
        """Change a cloud; the label stays that of all points."""
        voxels = find_voxels(cloud.points, self.voxel_size, path)
        ranks = [part for part in cloud[:3] if part is not None]
        chosen = nearest_to_centres(voxels, ranks)
        found = _to_tensors(voxels.coords[chosen], cloud.take(chosen))
        label = None if cloud.label is None else torch.from_numpy(cloud.label)
        return found._replace(label=label, voxel_of=torch.from_numpy(voxels.voxel_of))


class PointTrainTransform(PointTransform):
    """Moves clouds, changes their colours and takes a random point of each voxel.

    Random numbers are those of PyTorch.

    Args:
        augment: What is changed.
        voxel_size: Side of a voxel in metres, after the cloud is scaled.
    """

    def __init__(self, augment: PointAugment, *, voxel_size: float = DEFAULT_VOXEL_SIZE) -> None:
        super().__init__(voxel_size=voxel_size)
        self.augment = augment

    def change(self, cloud: Cloud, path: str = "the cloud") -> VoxelCloud:
        """Change a cloud; the label is that of the points that are taken."""
        rng = SampleRng()
        motion = self._motion(rng)
        points = motion.points(cloud.points.astype(np.float64))
        if self.augment.jitter:
            points = jitter(points, self.augment.jitter, self.augment.jitter_limit)
        voxels = find_voxels(points, self.voxel_size, path)
        chosen = any_of_each(voxels)
        chosen = chosen[nearest_to_one(voxels.coords[chosen], self.augment.max_voxels)]
        coords = voxels.coords[chosen]
        coords -= np.floor(coords.min(axis=0))
        taken = cloud.take(chosen)
        normals = None if taken.normals is None else motion.directions(taken.normals)
        colors = None if taken.colors is None else self._colors(taken.colors, rng)
        return _to_tensors(coords, taken._replace(normals=normals, colors=colors))

    def _motion(self, rng: SampleRng) -> Motion:
        augment = self.augment
        flip_x, flip_y = (rng.chance(chance) for chance in augment.flip)
        angle = math.radians(rng.uniform(-augment.rotation, augment.rotation))
        return Motion((flip_x, flip_y), angle, rng.uniform(*augment.scale))

    def _colors(self, colors: np.ndarray, rng: SampleRng) -> np.ndarray:
        augment = self.augment
        if rng.chance(augment.drop_color):
            return drop_colors(colors)
        if not augment.contrast and not augment.color_shift:
            return colors
        factor = 1 + rng.uniform(-augment.contrast, augment.contrast)
        shift = [rng.uniform(-augment.color_shift, augment.color_shift) for _ in range(3)]
        return change_colors(colors, [factor] * 3, shift)


def _to_tensors(coords: np.ndarray, cloud: Cloud) -> VoxelCloud:
    colors = cloud.colors
    if colors is None:
        colors = np.full((len(coords), 3), GREY, np.uint8)
    others = (
        None if part is None else torch.from_numpy(part) for part in (cloud.normals, cloud.label)
    )
    return VoxelCloud(torch.from_numpy(coords), torch.from_numpy(colors), *others)
