"""Where boxes in space are seen in an image.

A projection is `(3, 4)`, such as KITTI's `P2`: it takes `(x, y, z, 1)` in the camera's frame to
`(u w, v w, w)`, where u is the column and v the row in pixels, and w the depth in metres.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, Frame
from vision.ops.boxes3d import box_corners

# Pairs of corners, in the order of `box_corners`: around the bottom, around the top, between them.
EDGES = tuple(
    [(i, (i + 1) % 4) for i in range(4)]
    + [(i + 4, (i + 1) % 4 + 4) for i in range(4)]
    + [(i, i + 4) for i in range(4)]
)
# What is nearer to the camera in metres is not seen.
NEAR = 0.1


def project_points(points: Tensor, projection: Tensor) -> tuple[Tensor, Tensor]:
    """Where points are seen.

    Args:
        points: `(..., P, 3)` in metres.
        projection: `(..., 3, 4)`, which broadcasts against the points.

    Returns:
        Column and row in pixels `(..., P, 2)` and depth in metres `(..., P)`; the pixel of a point
        whose depth is not above 0 means nothing.
    """
    scaled = _scaled(points, projection)
    return scaled[..., :2] / scaled[..., 2:], scaled[..., 2]


def project_boxes(
    boxes: Tensor, projection: Tensor, frame: Frame = CAMERA, *, near: float = NEAR
) -> tuple[Tensor, Tensor]:
    """The rectangles that enclose what is seen of boxes, without a border of the image.

    Edges are cut where they pass the camera, so that a box beside it has its true extent.

    Args:
        boxes: `(..., 7)`.
        projection: `(..., 3, 4)`, from the frame of the boxes; its leading sizes are those of the
            boxes, or broadcast against them.
        frame: The frame of the boxes.
        near: Least depth in metres.

    Returns:
        `(..., 4)`, `(x1, y1, x2, y2)` in pixels, and bool `(...)`, whether any part of a box is in
        front of the camera; the rectangle of one that is not is zero.
    """
    ends, seen = project_segments(box_corners(boxes, frame), projection, EDGES, near=near)
    ends, seen = ends.flatten(-3, -2), seen.repeat_interleave(2, dim=-1)
    low = ends.masked_fill(~seen[..., None], torch.inf).amin(dim=-2)
    high = ends.masked_fill(~seen[..., None], -torch.inf).amax(dim=-2)
    visible = seen.any(dim=-1)
    rectangles = torch.cat([low, high], dim=-1)
    return rectangles.masked_fill(~visible[..., None], 0), visible


def project_segments(
    points: Tensor, projection: Tensor, pairs: Sequence[tuple[int, int]], *, near: float = NEAR
) -> tuple[Tensor, Tensor]:
    """Where lines between points are seen, without a border of the image.

    Args:
        points: `(..., P, 3)` in metres.
        projection: `(..., 3, 4)`, which broadcasts against the points.
        pairs: Places of the first and the last point of each of S lines, such as `EDGES` of the
            corners of a box.
        near: Least depth in metres; what is nearer is cut off.

    Returns:
        Column and row in pixels of both ends, `(..., S, 2, 2)`, and bool `(..., S)`, whether any
        part of a line is in front of the camera; the ends of one that is not mean nothing.
    """
    scaled = _scaled(points, projection)
    first, last = (scaled[..., [pair[end] for pair in pairs], :] for end in (0, 1))
    ends = torch.stack([_cut(first, last, near), _cut(last, first, near)], dim=-2)
    # Depth is exact where it was cut, so that no end is lost to rounding.
    return ends[..., :2] / ends[..., 2:].clamp(min=near), (ends[..., 2] >= near).all(dim=-1)


def _cut(point: Tensor, other: Tensor, near: float) -> Tensor:
    """Move points `(..., 3)` that are too near along their edges to the least depth."""
    depth, rise = point[..., 2:], other[..., 2:] - point[..., 2:]
    crossing = (depth < near) & (other[..., 2:] >= near)
    share = (near - depth) / torch.where(crossing, rise, 1)
    moved = point + share * (other - point)
    moved = torch.cat([moved[..., :2], torch.full_like(depth, near)], dim=-1)
    return torch.where(crossing, moved, point)


def _scaled(points: Tensor, projection: Tensor) -> Tensor:
    projection = projection.to(points)
    return points @ projection[..., :3].mT + projection[..., None, :, 3]
