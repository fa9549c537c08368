"""What passes between the parts of the suite: specs, samples, batches and predictions.

Letters used for shapes in the whole package: B batch, C channels, H W rows and columns, N tokens
(N = H * W), L sequence, D embedding width, K classes or queries, M objects, P points, T frames.
Any other letter has a legend at the top of the file that uses it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, NotRequired, TypedDict

from torch import Tensor


class FeatureSpec(NamedTuple):
    """One map of a feature pyramid, all that necks and heads know of a backbone.

    Attributes:
        channels: Number of channels of the map.
        stride: Image pixels per map cell along each axis.
    """

    channels: int
    stride: int


class ClassRows(NamedTuple):
    """How the classes lie along the first axis of a parameter.

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


class ModelDescription(TypedDict):
    """What a file of a trained model says of it: plain values, from which it is built again.

    Keys:
        version: Version of the suite that wrote it.
        task: Name of the task's class, such as `"Classification"`.
        kind: Name of the task, such as `"classification"`; datasets of that kind fit.
        backbone: Name of the backbone, or of its class where it was given as an object.
        hyper_parameters: Arguments of the task's constructor, with no weights to start from.
        class_names: Name of each class by index; None where they are not known.
        input: Size, mean, std, crop and interpolation that the backbone's weights expect.
        preprocessing: Options of the evaluation transform of the data it was trained on; None
            where these have none.
        palette: The dataset's own colour of each class, `[r, g, b]` in 0..255; None for ours.
        data: Import path of the datamodule; None before a training.
        pretrained: What the training started from, as in `create_backbone`.
        weights: A file that the training started from, or None.
        epoch: Whole epochs of training.
        step: Optimiser steps of training.
        metrics: What the last validation logged, such as `val/top1`.
        averaged: Whether the weights are averages over the training (EMA).
    """

    version: str
    task: str
    kind: str | None
    backbone: str
    hyper_parameters: dict[str, Any]
    class_names: list[str] | None
    input: dict[str, Any]
    preprocessing: dict[str, Any] | None
    palette: list[list[int]] | None
    data: str | None
    pretrained: bool | str
    weights: str | None
    epoch: int
    step: int
    metrics: dict[str, float]
    averaged: bool


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


# Detection pads images to whole cells of the coarsest map of common backbones, as the published
# pipelines do: each by itself before it is batched, so that training leaves out what is beyond.
PADDED_TO = 32


class DetectionTarget(TypedDict):
    """The objects of one image.

    Keys:
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the image.
        labels: int64 `(M,)` class index.
        iscrowd: bool `(M,)`, whether a box encloses a group that is not told apart; no class is
            learnt from it.
        area: float32 `(M,)` in square pixels of the image: of the mask where there is one.
        image_id: int64 `()` number of the image in its dataset.
        masks: bool `(M, H, W)`, absent where a dataset has none. In a batch H and W are those of
            the padded images.
    """

    boxes: Tensor
    labels: Tensor
    iscrowd: Tensor
    area: Tensor
    image_id: Tensor
    masks: NotRequired[Tensor]


class DetectionSample(TypedDict):
    """One image with its objects.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        original_size: int64 `(2,)` height and width in pixels of the file, before any resize.
        image_id: int64 `()` number of the image in its dataset.
        target: The objects; absent in prediction.
        path: Where the image comes from, in prediction.
    """

    image: Tensor
    original_size: Tensor
    image_id: Tensor
    target: NotRequired[DetectionTarget]
    path: NotRequired[str]


class DetectionBatch(TypedDict):
    """A batch of images with their objects, padded right and bottom to one size.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        original_size: int64 `(B, 2)` height and width of each file in pixels.
        image_id: int64 `(B,)` number of each image in its dataset.
        target: The objects of each image; absent in prediction.
        path: Where each image comes from, in prediction.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    image: Tensor
    size: Tensor
    original_size: Tensor
    image_id: Tensor
    target: NotRequired[list[DetectionTarget]]
    path: NotRequired[list[str]]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class Detections(TypedDict):
    """What a detector returns for a batch: D places per image, filled by falling score.

    Keys:
        boxes: float `(B, D, 4)`, `(x1, y1, x2, y2)` in pixels of the padded image.
        scores: float32 `(B, D)` in [0, 1]; 0 in places that are not filled.
        labels: int64 `(B, D)` class index.
        count: int64 `(B,)` number of filled places.
        masks: float `(B, D, h, w)`, probability in [0, 1] on a grid that spans the box; absent for
            detectors of boxes alone.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    count: Tensor
    masks: NotRequired[Tensor]


class DetectionPrediction(TypedDict):
    """The objects that were found in one image, by falling score.

    Keys:
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the original image.
        labels: int64 `(M,)` class index.
        scores: float32 `(M,)` in [0, 1].
        masks: bool `(M, H, W)` in the size of the original image; absent for detectors of boxes
            alone.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: NotRequired[Tensor]


# The label of pixels that are neither learnt from nor counted.
IGNORED = 255


class SegmentationSample(TypedDict):
    """One image with the class of each pixel.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        original_size: int64 `(2,)` height and width in pixels of the file, before any resize.
        path: Where the image comes from.
        mask: uint8 `(h, w)` class index, `IGNORED` where there is none: in training of the pixels
            of `image`, in evaluation of those of the file. Absent in prediction.
    """

    image: Tensor
    original_size: Tensor
    path: str
    mask: NotRequired[Tensor]


class SegmentationBatch(TypedDict):
    """A batch of images with the class of each pixel, padded right and bottom to one size.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        original_size: int64 `(B, 2)` height and width of each file in pixels.
        path: Where each image comes from.
        mask: int64 `(B, h, w)` class index, padded with `IGNORED`: in training of the pixels of
            `image`, so that h is H and w is W; in evaluation of those of the files, padded to the
            largest. Absent in prediction.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    image: Tensor
    size: Tensor
    original_size: Tensor
    path: list[str]
    mask: NotRequired[Tensor]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class SegmentationOutputs(TypedDict):
    """What a head for semantic segmentation returns.

    Keys:
        logits: float `(B, K, h, w)`, before the softmax, at the stride of the head.
        auxiliary: float `(B, K, h', w')`, the same of a second head that helps training; absent
            where there is none, and in evaluation.
    """

    logits: Tensor
    auxiliary: NotRequired[Tensor]


class SegmentationPrediction(TypedDict):
    """The class of each pixel of one image.

    Keys:
        mask: int64 `(H, W)` class index, in the size of the original image.
        path: Path of the image, if it was read from a file; the task adds it.
    """

    mask: Tensor
    path: NotRequired[str]
