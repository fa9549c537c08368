"""Semantic segmentation: samples, batches, outputs and predictions."""

from typing import NotRequired, TypedDict

from torch import Tensor

# The label of pixels that are ignored in training and in metrics.
IGNORED = 255


class SegmentationSample(TypedDict):
    """One image with the class of each pixel.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        original_size: int64 `(2,)` height and width in pixels of the file, before any resize.
        path: Where the image comes from.
        mask: uint8 `(h, w)` class index, `IGNORED` where there is none: in training of the pixels
            of `image`, in evaluation of the file's pixels. Absent in prediction.
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
            `image`, so that h is H and w is W; in evaluation of the files' pixels, padded to the
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
