"""Panoptic segmentation: samples, batches and predictions."""

from typing import NotRequired, TypedDict

from torch import Tensor

from vision.contracts.detection import DetectionPrediction
from vision.contracts.segments import SegmentInfo


class PanopticSample(TypedDict):
    """One image with the segment of each pixel.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        original_size: int64 `(2,)` height and width in pixels of the file, before any resize.
        path: Where the image comes from.
        mask: int32 `(h, w)` segment id, `VOID` where there is none: in training of the pixels of
            `image`, in evaluation of the file's pixels. Absent in prediction.
        segments: The segments in `mask`, crowds among them; absent in prediction.
        canvas: int64 `(2,)` height and width that the batch pads `image` to, as a part of the
            preprocessing; absent for an image that ends where it ends.
    """

    image: Tensor
    original_size: Tensor
    path: str
    mask: NotRequired[Tensor]
    segments: NotRequired[list[SegmentInfo]]
    canvas: NotRequired[Tensor]


class PanopticBatch(TypedDict):
    """A batch of images with the segment of each pixel, padded right and bottom to one size.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        original_size: int64 `(B, 2)` height and width of each file in pixels.
        path: Where each image comes from.
        mask: int32 `(B, h, w)` segment id, padded with `VOID`: in training of the pixels of
            `image`, so that h is H and w is W; in evaluation of the files' pixels, padded to the
            largest. Absent in prediction.
        segments: The segments of each image; absent in prediction.
        canvas: int64 `(B, 2)` height and width of each image with the padding that the network sees
            in evaluation, at most those of `image`; absent where it is to see none.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    image: Tensor
    size: Tensor
    original_size: Tensor
    path: list[str]
    mask: NotRequired[Tensor]
    segments: NotRequired[list[list[SegmentInfo]]]
    canvas: NotRequired[Tensor]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class PanopticPrediction(TypedDict):
    """The segments of one image, and the same masks read as classes and as instances.

    Keys:
        mask: int32 `(H, W)` segment id, in the size of the original image; `VOID` for none.
        segments: The segments by id.
        semantic: int64 `(H, W)` class index of each pixel, `VOID` pixels included; absent where it
            is not asked for.
        instances: The best pairs of query and class of things; absent where they are not asked for.
        path: Path of the image, if it was read from a file; the task adds it.
    """

    mask: Tensor
    segments: list[SegmentInfo]
    semantic: NotRequired[Tensor]
    instances: NotRequired[DetectionPrediction]
    path: NotRequired[str]
