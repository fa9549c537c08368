"""A small model of point clouds, and small batches of clouds whose classes show."""

from typing import Any

import torch
from torch import Tensor

from vision.contracts.points import IGNORED, PointBatch
from vision.tasks.points import PointSegmentation

NAMES = ["floor", "wall", "chair"]
# Voxels of the clouds of a batch, and points of their files.
COUNTS, POINT_COUNTS = (70, 45), (160, 91)
OPTIONS: dict[str, Any] = {
    "depths": [1, 2],
    "channels": [8, 16],
    "num_heads": [1, 2],
    "window_sizes": [3, 3],
    "drop_path_rate": 0.0,
}
NORMALS: dict[str, Any] = {**OPTIONS, "encoding": "XYZ_RGB_NORM", "in_channels": 9}


def tiny_points(**more: Any) -> PointSegmentation:
    """A model of three classes, with the same weights every time."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "backbone": "swin3d",
        "num_classes": 3,
        "backbone_options": OPTIONS,
        "class_names": NAMES,
    }
    return PointSegmentation(**{**settings, **more})


def cloud_of_voxels(count: int, seed: int, side: int = 7) -> Tensor:
    """Places `(count, 3)` in voxels of their own, in the order of the voxels."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randperm(side**3, generator=generator)[:count].sort().values
    corners = torch.stack([cells // side**2, cells // side % side, cells % side], dim=1)
    places = corners + 0.999 * torch.rand(count, 3, generator=generator)
    return places - places.amin(dim=0).floor()


def classes_of(coords: Tensor) -> Tensor:
    """The class of places: by their height."""
    return (coords[:, 2] / 7 * 3).long().clamp(0, 2)


def training_batch() -> PointBatch:
    """Two clouds to train on whose places and colours show their class."""
    coords = torch.cat([cloud_of_voxels(n, seed) for seed, n in enumerate(COUNTS)])
    label = classes_of(coords)
    colors = torch.tensor([[200, 40, 30], [60, 190, 40], [30, 50, 220]])[label]
    return {
        "coords": coords,
        "colors": colors.to(torch.uint8),
        "counts": torch.tensor(COUNTS),
        "label": label,
        "path": ["first.ply", "second.ply"],
        "room": ["first", "second"],
    }


def evaluation_batch() -> PointBatch:
    """The same clouds, with the class of each point of their files."""
    batch = training_batch()
    generator = torch.Generator().manual_seed(5)
    parts, labels, first = [], [], 0
    for count, points in zip(COUNTS, POINT_COUNTS, strict=True):
        # Each voxel has a point at least.
        more = torch.randint(count, (points - count,), generator=generator)
        own = torch.cat([torch.arange(count), more])[torch.randperm(points, generator=generator)]
        parts.append(own + first)
        truth = torch.randint(3, (points,), generator=generator)
        truth[::9] = IGNORED
        labels.append(truth)
        first += count
    return {
        **batch,
        "label": torch.cat(labels),
        "voxel_of": torch.cat(parts),
        "point_counts": torch.tensor(POINT_COUNTS),
        "index": torch.arange(2),
    }
