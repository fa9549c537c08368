"""Training outputs of dense heads, and the layout of their maps in rows.

A counts anchors and P locations, over all levels.
"""

from typing import TypedDict

from torch import Tensor


class AnchorOutputs(TypedDict):
    """Training outputs of a head on anchors.

    Keys:
        logits: float `(B, A, K)`, before the sigmoid.
        deltas: float `(B, A, 4)`, the code of `vision.ops.boxes.encode_boxes`.
        anchors: float32 `(A, 4)` in pixels of the padded image.
    """

    logits: Tensor
    deltas: Tensor
    anchors: Tensor


class PointOutputs(TypedDict):
    """Training outputs of a head on locations.

    Keys:
        logits: float `(B, P, K)`, before the sigmoid.
        distances: float `(B, P, 4)`, 0 or more: to the left, top, right and bottom side of the box,
            in strides.
        centerness: float `(B, P)`, before the sigmoid.
        points: float32 `(P, 2)`, x and y in pixels of the padded image.
        strides: float32 `(P,)`, pixels per cell of each location's level.
    """

    logits: Tensor
    distances: Tensor
    centerness: Tensor
    points: Tensor
    strides: Tensor


def flatten_map(features: Tensor, channels: int) -> Tensor:
    """One row per prediction of a map.

    Args:
        features: `(B, A * channels, h, w)`, the channels of one prediction side by side.
        channels: Channels of one prediction.

    Returns:
        `(B, h * w * A, channels)`, row by row, cell by cell.
    """
    return features.permute(0, 2, 3, 1).reshape(features.shape[0], -1, channels)
