"""Which points lie in which boxes in space."""

import torch
from torch import Tensor

from vision.contracts.boxes3d import CENTRE, LIDAR, SIZE, Frame
from vision.ops.boxes3d import box_axes

# Points whose places in a box are computed at once.
CHUNK = 2**16


def points_in_boxes(points: Tensor, boxes: Tensor, frame: Frame = LIDAR) -> Tensor:
    """Which points lie in which boxes, the borders included.

    Args:
        points: `(P, 3)` in metres.
        boxes: `(N, 7)`.
        frame: The frame of both.

    Returns:
        bool `(N, P)`.
    """
    inside = torch.zeros(len(boxes), len(points), dtype=torch.bool, device=points.device)
    axes = box_axes(boxes.to(points.dtype), frame)
    for row, (box, directions) in enumerate(zip(boxes.to(points.dtype), axes, strict=True)):
        length, height, width = box[SIZE].unbind()
        half = torch.stack([length, width, height]) / 2
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            places = (points[part] - box[CENTRE]) @ directions  # forward, left, up
            inside[row, part] = (places.abs() <= half).all(dim=1)
    return inside
