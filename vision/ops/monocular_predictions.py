"""Outputs of heads that find boxes in space in one image.

Letters: B images, Q queries, K classes, A bins of angles, D places for detections, N bins of depth.
"""

from typing import TypedDict

import torch
from torch import Tensor


class MonocularPredictions(TypedDict):
    """What a decoder layer predicts for Q queries.

    Keys:
        logits: float `(B, Q, K)`, before the sigmoid.
        boxes: float `(B, Q, 6)` in (0, 1): the projected centre (x, y) of the object, and how far
            the left, right, top and bottom side of its 2-D box are from it, as shares of the width
            (x, left, right) and of the height (y, top, bottom) of the input.
        sizes: float `(B, Q, 3)` height, width and length in metres, less the mean of the class if
            there are such means.
        depth_m: float `(B, Q)` metres to the centre along the optical axis.
        log_scale: float `(B, Q)`, logarithm of the scale of the Laplace distribution of the depth.
        angles: float `(B, Q, 2 * A)` of the observation angle: logits of its bins, then the
            angle in radians from the middle of each bin.
    """

    logits: Tensor
    boxes: Tensor
    sizes: Tensor
    depth_m: Tensor
    log_scale: Tensor
    angles: Tensor


class MonocularOutputs(MonocularPredictions):
    """The last predictions, and what else is supervised.

    Keys:
        layers: Predictions of each decoder layer but the last, first to last.
        depth_logits: float `(B, N + 1, h, w)` of the bins of depth, before the softmax.
        mean_sizes: float `(K, 3)` height, width and length that `sizes` are added to; zeros if they
            are whole.
        num_groups: Number of groups of queries, one after the other, that are matched by
            themselves; 1 in evaluation.
    """

    layers: list[MonocularPredictions]
    depth_logits: Tensor
    mean_sizes: Tensor
    num_groups: int


class MonocularDetections(TypedDict):
    """What is found in B images: D places for each, by falling score of the class.

    Keys:
        boxes3d: float `(B, D, 7)` in the frame of the camera (`vision/contracts/boxes3d.py`).
        boxes: float `(B, D, 4)`, `(x1, y1, x2, y2)` in pixels of the original image, not clipped.
        alpha: float `(B, D)` observation angle in radians.
        class_scores: float `(B, D)` in [0, 1].
        scores: float `(B, D)`, that of the class over the Laplace scale of the depth: 0 or more,
            above 1 where the scale is below a metre.
        labels: int64 `(B, D)` class index.
        count: int64 `(B,)` number of first places whose class score reaches the threshold.
    """

    boxes3d: Tensor
    boxes: Tensor
    alpha: Tensor
    class_scores: Tensor
    scores: Tensor
    labels: Tensor
    count: Tensor


def sides_to_corners(boxes: Tensor) -> Tensor:
    """Boxes `(..., 6)` of (x, y, left, right, top, bottom) as `(..., 4)` of (x1, y1, x2, y2)."""
    x, y, left, right, top, bottom = boxes.unbind(dim=-1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=-1)
