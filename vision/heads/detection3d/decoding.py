"""From the predictions of queries to boxes in space.

Letters: B images, Q queries, K classes, D places for detections, A bins of angles.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vision.ops.boxes3d import wrap_angle
from vision.ops.camera_views import CameraViews, locate
from vision.ops.monocular_predictions import (
    MonocularDetections,
    MonocularPredictions,
    sides_to_corners,
)
from vision.ops.query_classes import best_classes


class Chosen(NamedTuple):
    """The D most probable pairs of a query and a class, by falling score.

    Attributes:
        scores: float `(B, D)` of the class, in [0, 1].
        labels: int64 `(B, D)`.
        boxes: float `(B, D, 6)`, and so are the others, as in `MonocularPredictions`.
        sizes: float `(B, D, 3)`.
        depth: float `(B, D)`.
        log_scale: float `(B, D)`.
        angles: float `(B, D, 2 * A)`.
    """

    scores: Tensor
    labels: Tensor
    boxes: Tensor
    sizes: Tensor
    depth: Tensor
    log_scale: Tensor
    angles: Tensor


def choose(predictions: MonocularPredictions, count: int) -> Chosen:
    """Choose the most probable pairs of a query and a class.

    Args:
        predictions: Of the last layer.
        count: Number D of pairs; fewer if there are not as many.
    """
    pairs = best_classes(predictions["logits"], count)
    return Chosen(
        scores=pairs.scores,
        labels=pairs.labels,
        boxes=pairs.take(predictions["boxes"]),
        sizes=pairs.take(predictions["sizes"]),
        depth=pairs.take(predictions["depth_m"]),
        log_scale=pairs.take(predictions["log_scale"]),
        angles=pairs.take(predictions["angles"]),
    )


def decode(
    chosen: Chosen, views: CameraViews, mean_sizes: Tensor, score_threshold: float
) -> MonocularDetections:
    """Boxes in space from what was chosen.

    As in MonoDETR's code, the ray that turns the observation angle into a yaw is that of the middle
    of the 2-D box.

    Args:
        chosen: The pairs.
        views: The cameras.
        mean_sizes: float `(K, 3)` height, width and length by class, which sizes are added to.
        score_threshold: Smallest class score that counts.
    """
    x1, y1, x2, y2 = sides_to_corners(chosen.boxes).unbind(dim=-1)
    left, right = views.columns_px(x1), views.columns_px(x2)
    corners = torch.stack([left, views.rows_px(y1), right, views.rows_px(y2)], dim=-1)
    u, v = views.columns_px(chosen.boxes[..., 0]), views.rows_px(chosen.boxes[..., 1])
    centre = locate(views, u, v, chosen.depth)
    height, width, length = (chosen.sizes + mean_sizes[chosen.labels]).unbind(dim=-1)
    alpha = read_angle(chosen.angles)
    focal, column = views.cameras[:, 0, 0, None], views.cameras[:, 0, 2, None]
    yaw = wrap_angle(alpha + torch.atan2((left + right) / 2 - column, focal.expand_as(left)))
    box = torch.stack([length, height, width, yaw], dim=-1)
    return {
        "boxes3d": torch.cat([centre, box], dim=-1),
        "boxes": corners,
        "alpha": alpha,
        "class_scores": chosen.scores,
        "scores": chosen.scores * torch.exp(-chosen.log_scale),
        "labels": chosen.labels,
        "count": (chosen.scores >= score_threshold).sum(dim=1),
    }


def read_angle(angles: Tensor) -> Tensor:
    """The observation angle in [-pi, pi) of predictions `(..., 2 * A)`, by the most probable bin.

    "3D Bounding Box Estimation Using Deep Learning and Geometry", Mousavian et al., 2017,
    https://arxiv.org/abs/1612.00496: the middle of bin i is i * 2 pi / A.
    """
    logits, rests = angles.chunk(2, dim=-1)
    place = logits.argmax(dim=-1, keepdim=True)
    middle = place * (2 * math.pi / logits.shape[-1])
    return wrap_angle((middle + rests.gather(-1, place))[..., 0])
