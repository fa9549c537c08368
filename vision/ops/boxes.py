"""Areas, overlaps, clipping and the regression code of boxes.

Boxes are `(x1, y1, x2, y2)` in pixels, the second corner exclusive, so that the width is `x2 - x1`.
Everything is computed in float32 at least, also under autocast. M and N count boxes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

EPS = 1e-6  # least area of a union, so that empty boxes overlap with nothing
MAX_LOG_SCALE = math.log(1000 / 16)  # a box grows or shrinks by at most this factor
UNIT_STD = (1.0, 1.0, 1.0, 1.0)


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32; float64 stays float64."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def box_area(boxes: Tensor) -> Tensor:
    """Areas `(...)` of boxes `(..., 4)` in square pixels."""
    boxes = at_least_float32(boxes)
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every box of `a` with every box of `b`.

    Args:
        a: `(..., N, 4)`.
        b: `(..., M, 4)`.

    Returns:
        `(..., N, M)` in [0, 1]; 0 where both are empty.
    """
    common = _intersections(a, b)
    union = box_area(a)[..., :, None] + box_area(b)[..., None, :] - common
    return common / union.clamp(min=EPS)


def box_iof(a: Tensor, b: Tensor) -> Tensor:
    """Share of every box of `a` that lies in every box of `b`.

    Args:
        a: `(..., N, 4)`.
        b: `(..., M, 4)`.

    Returns:
        `(..., N, M)` in [0, 1]; 0 where the box of `a` is empty.
    """
    return _intersections(a, b) / box_area(a)[..., :, None].clamp(min=EPS)


def paired_giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised intersection over union of each box with the box at the same place.

    "Generalized Intersection over Union: A Metric and A Loss for Bounding Box Regression",
    Rezatofighi et al., 2019, algorithm 1.

    Args:
        a: `(..., 4)`.
        b: `(..., 4)`.

    Returns:
        `(...)` in [-1, 1].
    """
    a, b = at_least_float32(a), at_least_float32(b)
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(0)
    outer = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(0)
    common = inner[..., 0] * inner[..., 1]  # the gradient of prod waits for the device
    hull = (outer[..., 0] * outer[..., 1]).clamp(min=EPS)
    union = (box_area(a) + box_area(b) - common).clamp(min=EPS)
    return common / union - (hull - union) / hull


def clip_boxes(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Move the corners of boxes into their images.

    Args:
        boxes: `(B, N, 4)`.
        sizes: `(B, 2)` height and width of each image in pixels.

    Returns:
        `(B, N, 4)`.
    """
    limits = sizes.flip(1).repeat(1, 2).to(boxes.dtype)[:, None]  # (B, 1, 4)
    return torch.minimum(boxes.clamp(min=0), limits)


def encode_boxes(boxes: Tensor, targets: Tensor, std: Sequence[float] = UNIT_STD) -> Tensor:
    """The deltas that turn boxes into targets, which a detector learns to predict.

    "Rich Feature Hierarchies for Accurate Object Detection", Girshick et al., 2014, appendix C,
    equations 6 to 9, with normalisation by fixed standard deviations.

    Args:
        boxes: `(..., 4)`, such as anchors or proposals.
        targets: `(..., 4)`, none of them empty.
        std: Divisors of `(dx, dy, dw, dh)`.

    Returns:
        Deltas `(..., 4)`: shift of the centre in widths and heights, logarithm of the scale.
    """
    centre, size = _centre_and_size(boxes)
    wanted_centre, wanted_size = _centre_and_size(targets)
    size = size.clamp(min=EPS)
    shift = (wanted_centre - centre) / size
    scale = (wanted_size.clamp(min=EPS) / size).log()
    return torch.cat([shift, scale], dim=-1) / _row(std, shift)


def decode_boxes(boxes: Tensor, deltas: Tensor, std: Sequence[float] = UNIT_STD) -> Tensor:
    """Apply predicted deltas to boxes; the inverse of `encode_boxes`.

    Args:
        boxes: `(..., 4)`, such as anchors or proposals; broadcast against the deltas.
        deltas: `(..., 4)`.
        std: Divisors of `(dx, dy, dw, dh)` in the encoding.

    Returns:
        `(..., 4)`, not clipped; sides change by a factor of 62.5 at most.
    """
    centre, size = _centre_and_size(boxes)
    deltas = at_least_float32(deltas)
    deltas = deltas * _row(std, deltas)
    centre = centre + deltas[..., :2] * size
    half = size * deltas[..., 2:].clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp() / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def _row(values: Sequence[float], like: Tensor) -> Tensor:
    # Filled in place of torch.tensor(values), whose copy to a GPU waits.
    return torch.cat([like.new_full((1,), value) for value in values])


def _centre_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    boxes = at_least_float32(boxes)
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low


def _intersections(a: Tensor, b: Tensor) -> Tensor:
    # One axis after the other: (..., N, M, 2) would need twice the memory.
    a, b = at_least_float32(a)[..., :, None, :], at_least_float32(b)[..., None, :, :]
    width = torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])
    height = torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])
    return width.clamp(min=0) * height.clamp(min=0)  # (..., N, M)
