"""Detection and instance segmentation: samples, batches, outputs and predictions."""

from typing import NotRequired, TypedDict

from torch import Tensor

# Detection pads images to whole cells of the coarsest map of common backbones, as the published
# pipelines do: each by itself before it is batched, so that training leaves out what is beyond.
PADDED_TO = 32


class DetectionTarget(TypedDict):
    """The objects of one image.

    Keys:
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the image.
        labels: int64 `(M,)` class index.
        iscrowd: bool `(M,)`, whether a box encloses a group of objects; no class is
            learnt from it.
        area: float32 `(M,)` in square pixels of the image: of the mask where there is one.
        image_id: int64 `()` number of the image in its dataset.
        masks: bool `(M, H, W)`, absent where a dataset has none. In a batch H and W are the size of
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
    """What a detector returns for a batch: D slots per image, filled by falling score.

    Keys:
        boxes: float `(B, D, 4)`, `(x1, y1, x2, y2)` in pixels of the padded image.
        scores: float32 `(B, D)` in [0, 1]; 0 in slots that are not filled.
        labels: int64 `(B, D)` class index.
        count: int64 `(B,)` number of filled slots.
        masks: float `(B, D, h, w)`, probability in [0, 1] on a grid that spans the box; absent for
            detectors without masks.
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
        masks: bool `(M, H, W)` in the size of the original image; absent for detectors without
            masks.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: NotRequired[Tensor]
