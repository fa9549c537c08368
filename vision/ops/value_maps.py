"""Outputs of heads that give each pixel values: a depth, or the components of a normal."""

from typing import NotRequired, TypedDict

from torch import Tensor
from torch.nn import functional as F

# The smallest length that a vector is divided by.
MIN_LENGTH = 1e-6


class ValueMaps(TypedDict):
    """What a head returns.

    Keys:
        values: float `(B, C, h, w)` at the stride of the head: metres, or unit vectors.
        layers: The same of each decoder layer, first to last, each at its own resolution; absent
            where there are none.
    """

    values: Tensor
    layers: NotRequired[list[Tensor]]


def unit_length(x: Tensor) -> Tensor:
    """Divide the vectors `(B, C, ...)` by their length, which counts as 1e-6 at least."""
    return F.normalize(x, dim=1, eps=MIN_LENGTH)
