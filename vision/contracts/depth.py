"""Depth estimation: samples, batches and predictions."""

from typing import NotRequired, TypedDict

from torch import Tensor

# The depth of pixels without a reading.
NO_READING = 0.0


class DepthSample(TypedDict):
    """One image with the depth of each pixel.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        original_size: int64 `(2,)` height and width in pixels of the file, before any resize.
        path: Where the image comes from.
        depth: float32 `(h, w)` metres along the optical axis, `NO_READING` where there is none: in
            training of the pixels of `image`, in evaluation of the file's pixels. Absent in
            prediction.
        camera: float32 `(4,)` focal lengths and principal point `(fx, fy, cx, cy)` in pixels of
            `depth`, where the centre of the top left one is (0, 0); absent where they are not
            known.
    """

    image: Tensor
    original_size: Tensor
    path: str
    depth: NotRequired[Tensor]
    camera: NotRequired[Tensor]


class DepthBatch(TypedDict):
    """A batch of images with the depth of each pixel, padded right and bottom to one size.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        original_size: int64 `(B, 2)` height and width of each file in pixels.
        path: Where each image comes from.
        depth: float32 `(B, h, w)` metres along the optical axis, padded with `NO_READING`: in
            training of the pixels of `image`, so that h is H and w is W; in evaluation of the
            files' pixels, padded to the largest. Absent in prediction.
        camera: float32 `(B, 4)` as in `DepthSample`; absent where one is not known.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    image: Tensor
    size: Tensor
    original_size: Tensor
    path: list[str]
    depth: NotRequired[Tensor]
    camera: NotRequired[Tensor]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class DepthPrediction(TypedDict):
    """The depth of each pixel of one image.

    Keys:
        depth: float32 `(H, W)` metres, in the size of the original image.
        path: Path of the image, if it was read from a file; the task adds it.
    """

    depth: Tensor
    path: NotRequired[str]
