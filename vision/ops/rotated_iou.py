"""Overlaps of turned rectangles and of boxes in space.

They are exact and computed in float64. N and M count boxes.

A rectangle on the ground is `(x, y, length, width, yaw)`: its length lies along x at yaw 0, and
yaw turns it from x to y, in radians.
"""

import torch
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, CENTRE, HEIGHT, LENGTH, SIZE, WIDTH, YAW, Frame
from vision.ops.boxes import at_least_float32
from vision.ops.boxes3d import along
from vision.ops.rectangles import intersection_over_union, shared_area

# Pairs whose distance is computed at once.
MAX_PAIRS = 2**22


def ground_rectangles(boxes: Tensor, frame: Frame = CAMERA) -> Tensor:
    """What boxes cover on the ground, seen from above.

    Args:
        boxes: `(..., 7)`.
        frame: The frame of the boxes.

    Returns:
        `(..., 5)`, of which x and y lie along `ahead` and `turned` of the frame.
    """
    centre = [along(boxes[..., CENTRE], axis) for axis in (frame.ahead, frame.turned)]
    numbers = [*centre, boxes[..., LENGTH], boxes[..., WIDTH], boxes[..., YAW]]
    return torch.stack(numbers, dim=-1)


def rotated_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every rectangle of `a` with every one of `b`.

    Only pairs whose circumscribed circles meet are clipped, so that many far rectangles are cheap.

    Args:
        a: `(N, 5)`.
        b: `(M, 5)`.

    Returns:
        `(N, M)` in [0, 1]; 0 where a side is not positive.
    """
    rows, columns = near_pairs(a, b)
    return _matrix(a, b, rows, columns, paired_rotated_iou(a[rows], b[columns]))


def paired_rotated_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of each rectangle with the one at the same place.

    Args:
        a: `(..., 5)`.
        b: `(..., 5)`, which broadcasts against `a`.

    Returns:
        `(...)` in [0, 1]; 0 where a side is not positive.
    """
    fine_a, fine_b = _with_direction(a), _with_direction(b)
    shared = shared_area(fine_a, fine_b)
    sizes = (fine[..., 2:4].clamp(min=0).prod(-1) for fine in (fine_a, fine_b))
    return intersection_over_union(shared, *sizes).to(_result_type(a, b))


def box3d_iou(a: Tensor, b: Tensor, frame: Frame = CAMERA) -> Tensor:
    """Volume of intersection over union of every box of `a` with every one of `b`.

    Args:
        a: `(N, 7)`.
        b: `(M, 7)`.
        frame: The frame of both.

    Returns:
        `(N, M)` in [0, 1]; 0 where a size is not positive.
    """
    rows, columns = near_pairs(ground_rectangles(a, frame), ground_rectangles(b, frame))
    return _matrix(a, b, rows, columns, paired_box3d_iou(a[rows], b[columns], frame))


def paired_box3d_iou(a: Tensor, b: Tensor, frame: Frame = CAMERA) -> Tensor:
    """Volume of intersection over union of each box with the one at the same place.

    Args:
        a: `(..., 7)`.
        b: `(..., 7)`, which broadcasts against `a`.
        frame: The frame of both.

    Returns:
        `(...)` in [0, 1]; 0 where a size is not positive.
    """
    fine_a, fine_b = a.double(), b.double()
    area = shared_area(
        _with_direction(ground_rectangles(fine_a, frame)),
        _with_direction(ground_rectangles(fine_b, frame)),
    )
    (low_a, high_a), (low_b, high_b) = _reach(fine_a, frame), _reach(fine_b, frame)
    height = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0)
    volumes = (fine[..., SIZE].clamp(min=0).prod(-1) for fine in (fine_a, fine_b))
    return intersection_over_union(area * height, *volumes).to(_result_type(a, b))


@torch.no_grad()
def near_pairs(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of rectangles that may overlap: their circumscribed circles meet.

    Args:
        a: `(N, 5)`.
        b: `(M, 5)`.

    Returns:
        int64 indices into `a` and into `b`, by the first and then by the second.
    """
    found = []
    step = max(1, MAX_PAIRS // max(1, len(b)))
    reach_b = b[:, 2:4].double().norm(dim=1) / 2
    for start in range(0, len(a), step):
        part = a[start : start + step].double()
        reach = part[:, 2:4].norm(dim=1)[:, None] / 2 + reach_b
        x, y = (part[:, None, i] - b[:, i].double() for i in (0, 1))
        # A little more, since a sum of squares is rounded.
        near = x * x + y * y <= reach * reach * (1 + 1e-9)
        found.append(near.nonzero() + near.new_tensor([start, 0], dtype=torch.int64))
    pairs = torch.cat(found) if found else torch.zeros(0, 2, dtype=torch.int64, device=a.device)
    return pairs[:, 0], pairs[:, 1]


def _matrix(a: Tensor, b: Tensor, rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    matrix = values.new_zeros(len(a), len(b))
    return matrix.index_put((rows, columns), values)


def _with_direction(rectangles: Tensor) -> Tensor:
    fine = rectangles.double()
    yaw = fine[..., 4:]
    return torch.cat([fine[..., :4], yaw.cos(), yaw.sin()], dim=-1)


def _reach(boxes: Tensor, frame: Frame) -> tuple[Tensor, Tensor]:
    """Lower and upper end of boxes along the vertical."""
    middle, half = along(boxes[..., CENTRE], frame.up), boxes[..., HEIGHT] / 2
    return middle - half, middle + half


def _result_type(a: Tensor, b: Tensor) -> torch.dtype:
    return torch.promote_types(at_least_float32(a).dtype, at_least_float32(b).dtype)
