"""What passes between the parts of the suite: specs, samples, batches and predictions.

Letters used for shapes in the whole package: B batch, C channels, H W rows and columns, N tokens
(N = H * W), L sequence, D embedding width, K classes or queries, M objects, P points, T frames.
Any other letter has a legend at the top of the file that uses it.
"""

from dataclasses import dataclass
from typing import NamedTuple, NotRequired, TypedDict

from torch import Tensor


class FeatureSpec(NamedTuple):
    """One map of a feature pyramid, all that necks and heads know of a backbone.

    Attributes:
        channels: Number of channels of the map.
        stride: Image pixels per map cell along each axis.
    """

    channels: int
    stride: int


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


class ClassificationSample(TypedDict):
    """One labelled image.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        label: int64 `()` class index.
    """

    image: Tensor
    label: Tensor


class ClassificationBatch(TypedDict):
    """A batch of labelled images, padded right and bottom where sizes differ.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        label: int64 `(B,)` class index, or float `(B, K)` class probabilities after mixing.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: Present, and true, on a batch that fills up the share of a process: run, but not
            counted.
    """

    image: Tensor
    size: Tensor
    label: Tensor
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class ImageSample(TypedDict):
    """One image to predict.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        path: Where the image comes from.
    """

    image: Tensor
    path: str


class ImageBatch(TypedDict):
    """A batch of images to predict, padded right and bottom where sizes differ.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        path: Where each image comes from.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    image: Tensor
    size: Tensor
    path: list[str]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class ClassificationOutputs(TypedDict):
    """What a classification head returns.

    Keys:
        logits: float `(B, K)`, before the softmax.
    """

    logits: Tensor


class ClassificationPrediction(TypedDict):
    """The prediction for one image.

    Keys:
        label: int64 `()` class of the highest score.
        scores: float32 `(K,)` class probabilities that sum to one.
        name: Name of the class; the task adds it.
        path: Path of the image, if it was read from a file; the task adds it.
    """

    label: Tensor
    scores: Tensor
    name: NotRequired[str]
    path: NotRequired[str]
