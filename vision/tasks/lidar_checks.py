"""Checks of sweeps and their objects that a task is given."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.contracts.boxes3d import SIZE
from vision.errors import DataError
from vision.tasks.detection3d_checks import check_labels, check_list
from vision.tasks.first_batch import require_keys, shown_tensor


def check_sweeps(batch: Mapping[str, Any], *, numbers: int, point_range: Sequence[float]) -> None:
    """Check the points of a batch.

    Args:
        batch: Has `points` and `counts`, and maybe the cameras.
        numbers: Numbers of a point that the model reads.
        point_range: Lowest x, y, z, then highest, in metres, of the points that it reads.

    Raises:
        DataError: They are of another type or shape, not finite, or all of a sweep are outside the
            range.
    """
    points, counts = batch["points"], batch["counts"]
    expected = f"expected finite float (P, {numbers}), x, y, z in metres first"
    name = "batch['points']"
    if (
        not isinstance(points, Tensor)
        or points.ndim != 2
        or points.shape[1] != numbers
        or not points.is_floating_point()
        or not bool(points.isfinite().all())
    ):
        raise DataError(f"{name} is {shown_tensor(points)}; {expected}.")
    if (
        not isinstance(counts, Tensor)
        or counts.ndim != 1
        or counts.dtype != torch.int64
        or bool((counts < 0).any())
        or int(counts.sum()) != len(points)
    ):
        raise DataError(
            f"batch['counts'] is {shown_tensor(counts)}; expected int64 (B,), the points of each "
            f"sweep, {len(points):,} together."
        )
    _check_range(points, counts, point_range)
    _check_views(batch, len(counts))


def check_lidar_targets(targets: Any, *, count: int, num_classes: int) -> None:
    """Check what is to be learned of the sweeps of a batch.

    Args:
        targets: A dict for each sweep, as `vision.contracts.lidar.LidarTarget`.
        count: Number of sweeps.
        num_classes: Number of classes.

    Raises:
        DataError: One has another form, or a value out of range.
    """
    check_list(targets, "target", count, unit="sweep")
    for place, target in enumerate(targets):
        name = f"batch['target'][{place}]"
        require_keys(target, ["boxes3d", "labels"], where=name)
        objects = check_labels(target["labels"], name, lowest=0, num_classes=num_classes)
        boxes = target["boxes3d"]
        if (
            not isinstance(boxes, Tensor)
            or boxes.shape != (objects, 7)
            or not boxes.is_floating_point()
            or not bool(boxes.isfinite().all())
            or not bool((boxes[:, SIZE] > 0).all())
        ):
            raise DataError(
                f"{name}['boxes3d'] is {shown_tensor(boxes)}; expected finite float "
                f"({objects}, 7) in the frame of the lidar: x, y, z of the centre, length, height "
                f"and width above 0, yaw, for {objects} labels."
            )


def _check_range(points: Tensor, counts: Tensor, point_range: Sequence[float]) -> None:
    """Raise an error for a sweep of which the model sees no point."""
    limits = points.new_tensor(point_range)
    inside = ((points[:, :3] >= limits[:3]) & (points[:, :3] < limits[3:])).all(dim=1)
    for place, one in enumerate(inside.split(counts.tolist())):
        if not bool(one.any()):
            own = points[:, :3].split(counts.tolist())[place]
            raise DataError(
                f"sweep {place} of the batch has no point in the range of the model, "
                f"{[*point_range]} (lowest x, y, z, then highest, in metres): its points are "
                f"{shown_tensor(own)}. Set data.point_range and model.reader_options.grid alike, "
                "or bring the points to metres in the frame of the lidar."
            )


def _check_views(batch: Mapping[str, Any], count: int) -> None:
    shapes = {"lidar_to_camera": (count, 4, 4), "camera": (count, 3, 4), "camera_size": (count, 2)}
    for key, shape in shapes.items():
        value = batch.get(key)
        if value is not None and (not isinstance(value, Tensor) or value.shape != shape):
            raise DataError(f"batch['{key}'] is {shown_tensor(value)}; expected a tensor {shape}.")
