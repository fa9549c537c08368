"""Boxes in space in single images: samples, batches and predictions.

Letters: B images, N annotated objects, M objects that are learned or found, in one image.
"""

from typing import NotRequired, TypedDict

from torch import Tensor

# Label of an annotated object that is none of the model's classes.
OTHER = -1


class MonocularTarget(TypedDict):
    """The objects of one image, as its input shows them.

    Keys:
        labels: int64 `(M,)` class index.
        boxes: float `(M, 6)`: the projected centre (x, y) of the object, and how far the left,
            right, top and bottom side of its 2-D box are from it, as shares of the width (x, left,
            right) and of the height (y, top, bottom) of the input.
        boxes2d: float `(M, 4)`, the 2-D box `(x1, y1, x2, y2)` as such shares.
        sizes: float `(M, 3)` height, width and length in metres, above 0.
        depth_m: float `(M,)` metres to the centre along the optical axis.
        alpha: float `(M,)` observation angle in radians, any turn of it.
    """

    labels: Tensor
    boxes: Tensor
    boxes2d: Tensor
    sizes: Tensor
    depth_m: Tensor
    alpha: Tensor


class Boxes3DTruth(TypedDict):
    """All that is annotated in one image, for evaluation and pictures.

    Keys:
        boxes3d: float32 `(N, 7)` in the frame of the camera, as in `vision/contracts/boxes3d.py`;
            of a region without a place in space it means nothing.
        boxes: float32 `(N, 4)`, `(x1, y1, x2, y2)` in pixels of the original image.
        alpha: float32 `(N,)` observation angle in radians: the yaw, less that of the object's ray.
        labels: int64 `(N,)` class index, `OTHER` for none.
        names: What the dataset calls the class of each object, those of no class of the model and
            regions to leave out among them.
        truncation: float32 `(N,)` share outside the image; -1 if unknown.
        occlusion: int64 `(N,)`, 0 visible, 1 partly, 2 largely hidden, 3 or -1 unknown.
        velocity: float32 `(N, 2)` in metres per second, right and forward; NaN if unknown. Absent
            where the dataset has none.
    """

    boxes3d: Tensor
    boxes: Tensor
    alpha: Tensor
    labels: Tensor
    names: list[str]
    truncation: Tensor
    occlusion: Tensor
    velocity: NotRequired[Tensor]


class Boxes3DSample(TypedDict):
    """One image with its camera and its objects.

    Keys:
        image: uint8 `(3, H, W)` RGB.
        original_size: int64 `(2,)` height and width in pixels of the file.
        path: Where the image comes from.
        camera: float32 `(3, 4)`, projects `(x, y, z, 1)` in the frame of the camera to pixels: of
            the file in evaluation, in training of what `camera_size` says.
        camera_size: int64 `(2,)` height and width in pixels of the image that `camera` projects to,
            whose sides are those of `image`: of the file, or of `image` itself where a camera
            follows the augmentation.
        target: What is learned; absent in evaluation and prediction.
        truth: What is annotated; absent in training and prediction.
    """

    image: Tensor
    original_size: Tensor
    path: str
    camera: Tensor
    camera_size: Tensor
    target: NotRequired[MonocularTarget]
    truth: NotRequired[Boxes3DTruth]


class Boxes3DBatch(TypedDict):
    """A batch of images with their cameras, padded right and bottom to one size.

    Keys:
        image: uint8 `(B, 3, H, W)` RGB.
        size: int64 `(B, 2)` valid height and width of each image in pixels.
        original_size: int64 `(B, 2)` height and width of each file in pixels.
        path: Where each image comes from.
        camera: float32 `(B, 3, 4)`, as in `Boxes3DSample`.
        camera_size: int64 `(B, 2)`, likewise.
        target: What is learned of each image; absent in evaluation and prediction.
        truth: What is annotated in each image; absent in training and prediction.
        index: int64 `(B,)` index of each image in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    image: Tensor
    size: Tensor
    original_size: Tensor
    path: list[str]
    camera: Tensor
    camera_size: Tensor
    target: NotRequired[list[MonocularTarget]]
    truth: NotRequired[list[Boxes3DTruth]]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class Boxes3DPrediction(TypedDict):
    """The objects that were found in one image, by falling score.

    Keys:
        boxes3d: float `(M, 7)` in the frame of the camera, as in `vision/contracts/boxes3d.py`.
        boxes: float `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the original image.
        alpha: float `(M,)` observation angle in radians: the yaw, less that of the object's ray.
        labels: int64 `(M,)` class index.
        scores: float `(M,)`, 0 or more.
        path: Path of the image, if it was read from a file; the task adds it.
    """

    boxes3d: Tensor
    boxes: Tensor
    alpha: Tensor
    labels: Tensor
    scores: Tensor
    path: NotRequired[str]
