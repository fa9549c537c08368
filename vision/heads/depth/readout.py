"""What the numbers of a head stand for: values as they are, a depth, a unit vector."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.boxes import at_least_float32
from vision.ops.value_maps import unit_length
from vision.options import Range, Ranges, check_number, check_ranges

Activation = Literal["sigmoid", "softplus"]


@dataclass(frozen=True, kw_only=True)
class Readout:
    """Values as they are.

    Attributes:
        channels: Number C of values.
    """

    channels: int

    def __post_init__(self) -> None:
        """Check the values."""
        check_number("channels", self.channels, minimum=1)

    def values(self, x: Tensor) -> Tensor:
        """The values `(B, C, ...)` that numbers `(B, C, ...)` stand for, in float32 at least."""
        return at_least_float32(x)

    def finish(self, values: Tensor) -> Tensor:
        """Values `(B, C, ...)` that were averaged or resized, as values again."""
        return values

    def mirror(self, values: Tensor) -> Tensor:
        """The values `(B, C, H, W)` of an image from those of its mirror image, left to right."""
        return values.flip(-1)


@dataclass(frozen=True, kw_only=True)
class DepthReadout(Readout):
    """A depth in metres.

    `"sigmoid"` is `min_depth + sigmoid(x) * (max_depth - min_depth)`, the bounded depth of
    deeplab2 (https://github.com/google-research/deeplab2); `"softplus"` is `min_depth +
    softplus(x)`, which no number bounds above.

    Attributes:
        channels: 1.
        min_depth: The smallest depth in metres, above 0.
        max_depth: The largest depth in metres of `"sigmoid"`.
        activation: Which of the two.

    Raises:
        ConfigError: A value is out of its range.
    """

    channels: int = 1
    min_depth: float = 1e-3
    max_depth: float = 10.0
    activation: Activation = "sigmoid"

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        ranges: Ranges = {
            "min_depth": Range(above=0, unit="metres"),
            "activation": get_args(Activation),
        }
        check_ranges(vars(self), ranges)
        check_number("max_depth", self.max_depth, above=self.min_depth, unit="metres")

    def values(self, x: Tensor) -> Tensor:
        """The depth `(B, 1, ...)` in metres of each number `(B, 1, ...)`."""
        x = at_least_float32(x)
        if self.activation == "softplus":
            return self.min_depth + F.softplus(x)
        return self.min_depth + x.sigmoid() * (self.max_depth - self.min_depth)


@dataclass(frozen=True, kw_only=True)
class NormalsReadout(Readout):
    """A unit vector.

    Attributes:
        channels: 3.
    """

    channels: int = 3

    def finish(self, values: Tensor) -> Tensor:
        """The vectors `(B, 3, ...)` at unit length; a length counts as 1e-6 at least."""
        return unit_length(values)

    def mirror(self, values: Tensor) -> Tensor:
        """The normals of an image from those of its mirror image, in which x points the other way.

        Args:
            values: `(B, 3, H, W)`, in the order x, y, z.
        """
        mirrored = values.flip(-1)
        return torch.cat([-mirrored[:, :1], mirrored[:, 1:]], dim=1)
