"""Boxes in space: predictions."""

from typing import TypedDict

from torch import Tensor


class Boxes3DPrediction(TypedDict):
    """The objects that were found in one image, by falling score.

    Keys:
        boxes3d: float `(M, 7)` in the frame of the camera, as in `vision/contracts/boxes3d.py`.
        boxes: float `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the original image.
        alpha: float `(M,)` observation angle in radians: the yaw, less that of the object's ray.
        labels: int64 `(M,)` class index.
        scores: float `(M,)`, 0 or more.
    """

    boxes3d: Tensor
    boxes: Tensor
    alpha: Tensor
    labels: Tensor
    scores: Tensor
