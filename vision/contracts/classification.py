"""Classification: samples, batches, outputs and predictions."""

from typing import NotRequired, TypedDict

from torch import Tensor


class ClassificationSample(TypedDict):
    """One labelled image.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        label: int64 `()` class index; or float `(K,)`, 1 for each class that is present.
    """

    image: Tensor
    label: Tensor


class ClassificationBatch(TypedDict):
    """A batch of labelled images, padded right and bottom where sizes differ.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        label: int64 `(B,)` class index; or float `(B, K)`, class probabilities after mixing, or for
            images with any number of classes 1 for each class that is present and 0 for others.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: Present, and true, on a batch that fills up the share of a process: run, but not
            counted.
    """

    image: Tensor
    size: Tensor
    label: Tensor
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


class MultiLabelPrediction(TypedDict):
    """The prediction for one image that has any number of classes.

    Keys:
        labels: int64 `(M,)` classes that are present, most probable first.
        scores: float32 `(K,)` probability of each class by itself.
        names: Name of each of the M classes; the task adds it.
        path: Path of the image, if it was read from a file; the task adds it.
    """

    labels: Tensor
    scores: Tensor
    names: NotRequired[list[str]]
    path: NotRequired[str]
