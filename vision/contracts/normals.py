"""Surface normals: samples, batches and predictions.

The frame is the camera's: x to the right, y down, z into the scene. Normals point towards the
camera, so that z is negative.
"""

from typing import NotRequired, TypedDict

from torch import Tensor


class NormalsSample(TypedDict):
    """One image with the surface normal of each pixel.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        original_size: int64 `(2,)` height and width in pixels of the file, before any resize.
        path: Where the image comes from.
        normals: float32 `(3, h, w)` unit vectors, zero where there is none: in training of the
            pixels of `image`, in evaluation of the file's pixels. Absent in prediction.
        camera: As in `DepthSample`, of the pixels of `normals`.
    """

    image: Tensor
    original_size: Tensor
    path: str
    normals: NotRequired[Tensor]
    camera: NotRequired[Tensor]


class NormalsBatch(TypedDict):
    """A batch of images with the normal of each pixel, padded right and bottom to one size.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        original_size: int64 `(B, 2)` height and width of each file in pixels.
        path: Where each image comes from.
        normals: float32 `(B, 3, h, w)` unit vectors, padded with zero: in training of the pixels of
            `image`, so that h is H and w is W; in evaluation of the files' pixels, padded to the
            largest. Absent in prediction.
        camera: float32 `(B, 4)` as in `NormalsSample`; absent where one is not known.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    image: Tensor
    size: Tensor
    original_size: Tensor
    path: list[str]
    normals: NotRequired[Tensor]
    camera: NotRequired[Tensor]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class NormalsPrediction(TypedDict):
    """The surface normal of each pixel of one image.

    Keys:
        normals: float32 `(3, H, W)` unit vectors, in the size of the original image.
        path: Path of the image, if it was read from a file; the task adds it.
    """

    normals: Tensor
    path: NotRequired[str]
