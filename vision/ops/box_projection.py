"""Where boxes in space are seen in an image.

A projection is `(3, 4)`, such as KITTI's `P2`: it takes `(x, y, z, 1)` in the camera's frame to
`(u w, v w, w)`, where u is the column and v the row in pixels, and w the depth in metres.
"""

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
    scaled = _scaled(box_corners(boxes, frame), projection)
    first, second = (scaled[..., [edge[end] for edge in EDGES], :] for end in (0, 1))
    ends = torch.cat([_cut(first, second, near), _cut(second, first, near)], dim=-2)
    seen = ends[..., 2] >= near
    # Depth is exact where it was cut, so that no end is lost to rounding.
    pixels = ends[..., :2] / ends[..., 2:].clamp(min=near)
    low = pixels.masked_fill(~seen[..., None], torch.inf).amin(dim=-2)
    high = pixels.masked_fill(~seen[..., None], -torch.inf).amax(dim=-2)
    visible = seen.any(dim=-1)
    rectangles = torch.cat([low, high], dim=-1)
    return rectangles.masked_fill(~visible[..., None], 0), visible


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
