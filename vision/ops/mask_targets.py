"""Targets of heads that cluster pixels with queries."""

from typing import TypedDict

from torch import Tensor


class MaskTargets(TypedDict):
    """The segments of B images, in M places for each, at the resolution of the predictions.

    Keys:
        labels: int64 `(B, M)` class of each segment; -1 in empty places.
        masks: bool `(B, M, h, w)` pixels of each segment; none in empty places. A pixel of no
            segment is void, and takes part in no loss.
        semantic: int64 `(B, h, w)` class of each pixel, `IGNORED` where there is none.
    """

    labels: Tensor
    masks: Tensor
    semantic: Tensor
