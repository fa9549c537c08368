"""Boxes in space as plain values, for lines of JSON."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from vision.contracts.boxes3d import CENTRE, SIZE, YAW
from vision.contracts.detection3d import Boxes3DPrediction
from vision.contracts.lidar import LidarPrediction


def object_rows(found: Boxes3DPrediction, names: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of an image, as `boxes3d_rows` has them, or of a sweep, as `lidar_rows` has."""
    if "boxes3d_lidar" in found:
        return lidar_rows(cast(LidarPrediction, found), names)
    return boxes3d_rows(found, names)


def boxes3d_rows(found: Boxes3DPrediction, names: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of an image, a mapping each.

    Args:
        found: The objects.
        names: Name of each class by label; a label without a name is its own.

    Returns:
        `label`, `name`, `score`; `box` `[x1, y1, x2, y2]` in pixels; and in the frame of the camera
        `center` `[x, y, z]` and `size` `[length, height, width]` in metres, `yaw` and `alpha` in
        radians.
    """
    columns = {
        **_named(found, names),
        "box": found["boxes"].tolist(),
        **_placed(found["boxes3d"]),
        "alpha": found["alpha"].tolist(),
    }
    return _rows(columns)


def lidar_rows(
    found: LidarPrediction, names: Sequence[str], *, camera: bool = True
) -> list[dict[str, Any]]:
    """The objects of a sweep, a mapping each.

    Args:
        found: The objects.
        names: As in `boxes3d_rows`.
        camera: Whether its camera is known.

    Returns:
        `label`, `name`, `score`; in the frame of the lidar `center` `[x, y, z]`, `size` `[length,
        height, width]` in metres and `yaw` in radians; and with a camera `camera`, a mapping of
        `center`, `yaw`, `alpha` and `box` as in `boxes3d_rows`.
    """
    columns: dict[str, list[Any]] = {**_named(found, names), **_placed(found["boxes3d_lidar"])}
    if camera:
        seen = boxes3d_rows(found, names)
        keys = ("center", "yaw", "alpha", "box")
        columns["camera"] = [{key: one[key] for key in keys} for one in seen]
    return _rows(columns)


def _named(found: Boxes3DPrediction, names: Sequence[str]) -> dict[str, list[Any]]:
    labels: list[int] = found["labels"].tolist()
    return {
        "label": labels,
        "name": [names[k] if k < len(names) else str(k) for k in labels],
        "score": found["scores"].tolist(),
    }


def _placed(boxes3d: Tensor) -> dict[str, list[Any]]:
    return {
        "center": boxes3d[:, CENTRE].tolist(),
        "size": boxes3d[:, SIZE].tolist(),
        "yaw": boxes3d[:, YAW].tolist(),
    }


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
