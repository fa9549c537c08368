"""Boxes in space as plain values, for lines of JSON."""

from collections.abc import Sequence
from typing import Any

from vision.contracts.boxes3d import CENTRE, SIZE, YAW
from vision.contracts.detection3d import Boxes3DPrediction


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
    labels: list[int] = found["labels"].tolist()
    columns = {
        "label": labels,
        "name": [names[k] if k < len(names) else str(k) for k in labels],
        "score": found["scores"].tolist(),
        "box": found["boxes"].tolist(),
        "center": found["boxes3d"][:, CENTRE].tolist(),
        "size": found["boxes3d"][:, SIZE].tolist(),
        "yaw": found["boxes3d"][:, YAW].tolist(),
        "alpha": found["alpha"].tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
