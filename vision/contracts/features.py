"""Specs of a backbone's feature maps and input, and of a head's class rows."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

# What an encoder encodes.
Input = Literal["image", "volume", "points"]


class FeatureSpec(NamedTuple):
    """Spec of one map of a feature pyramid, all that necks and heads know of a backbone.

    Attributes:
        channels: Number of channels of the map.
        stride: Image pixels per map cell along each axis.
    """

    channels: int
    stride: int


class VolumeSpec(NamedTuple):
    """Spec of one map of the pyramid of a volume: the same, with a stride per axis.

    Attributes:
        channels: Number of channels of the map.
        stride: Cells of the volume per map cell along each axis.
    """

    channels: int
    stride: tuple[int, ...]


class ClassRows(NamedTuple):
    """Layout of the classes along the first axis of a parameter.

    The axis has `groups` parts of equal length, such as one per anchor; each part has `per_class`
    rows for each class in turn, and then, if there is one, `per_class` rows for the background.

    Attributes:
        groups: Number of parts.
        per_class: Rows of a class in a part.
        background: Whether a part ends with the background.
    """

    groups: int
    per_class: int
    background: bool


@dataclass(frozen=True)
class InputSpec:
    """What a backbone's published weights expect of an image.

    Attributes:
        size: Height and width in pixels at which the published result was measured.
        mean: Per-channel mean, for values in [0, 1].
        std: Per-channel standard deviation, for values in [0, 1].
        crop: Fraction of the resized short side that the evaluation crop keeps, in (0, 1].
        interpolation: `"bicubic"` or `"bilinear"`, the resize filter of the evaluation.
    """

    size: tuple[int, int] = (224, 224)
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    crop: float = 0.875
    interpolation: str = "bicubic"
