"""Which points lie in which boxes in space."""

import torch
from torch import Tensor

from vision.contracts.boxes3d import CENTRE, LIDAR, SIZE, Frame
from vision.ops.boxes3d import box_axes

# Of the half diagonal of a box, since the distances of points are rounded.
MARGIN = 1.001


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
    boxes = boxes.to(points.dtype)
    axes = box_axes(boxes, frame)
    # A box is compared with the points in its strip of x alone.
    x, order = points[:, 0].contiguous().sort()
    sorted_points = points[order]
    reach = boxes[:, SIZE].norm(dim=1) / 2 * MARGIN
    begins = torch.searchsorted(x, (boxes[:, 0] - reach).contiguous()).tolist()
    ends = torch.searchsorted(x, (boxes[:, 0] + reach).contiguous(), right=True).tolist()
    for row, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        length, height, width = boxes[row, SIZE].unbind()
        half = torch.stack([length, width, height]) / 2
        places = (sorted_points[begin:end] - boxes[row, CENTRE]) @ axes[row]  # forward, left, up
        inside[row, order[begin:end]] = (places.abs() <= half).all(dim=1)
    return inside
