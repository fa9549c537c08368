"""The depth of objects in MonoDETR: the mean of three guesses.

Letters: B images, Q queries.
"""

from torch import Tensor

from vision.ops.bilinear import sample_at
from vision.ops.camera_views import CameraViews

# Keeps the depth of a code of 0 finite: a million metres.
EPS = 1e-6


def object_depth(
    code: Tensor, heights: Tensor, boxes: Tensor, depth_map: Tensor, views: CameraViews
) -> Tensor:
    """The mean of the depth that a query says, that of its height, and that of the map.

    Args:
        code: float `(B, Q)`, the logarithm of 1 / depth, nearly.
        heights: float `(B, Q)` in metres.
        boxes: float `(B, Q, 6)`, as in `MonocularPredictions`.
        depth_map: float `(B, h, w)` in metres.
        views: The cameras.

    Returns:
        float `(B, Q)` in metres.
    """
    said = 1 / (code.sigmoid() + EPS) - 1
    return (said + depth_from_height(heights, boxes, views) + depth_at(depth_map, boxes)) / 3


def depth_from_height(heights: Tensor, boxes: Tensor, views: CameraViews) -> Tensor:
    """The depth at which objects look as high as their 2-D boxes.

    Args:
        heights: float `(B, Q)` in metres.
        boxes: float `(B, Q, 6)`; boxes of less than a pixel count as one pixel high.
        views: The cameras.

    Returns:
        float `(B, Q)` in metres.
    """
    rows = (boxes[..., 4] + boxes[..., 5]) * views.rows[:, None]
    return heights / rows.clamp(min=1) * views.cameras[:, 0, 0, None]


def depth_at(depth_map: Tensor, boxes: Tensor) -> Tensor:
    """The depth of the map at projected centres, whose corner cells lie on the image's corners.

    Args:
        depth_map: float `(B, h, w)` in metres.
        boxes: float `(B, Q, 6)`, without a gradient of their places.

    Returns:
        float `(B, Q)` in metres.
    """
    return sample_at(depth_map, boxes[..., :2].detach().to(depth_map.dtype))
