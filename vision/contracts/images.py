"""Images to predict, for any task."""

from typing import NotRequired, TypedDict

from torch import Tensor


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
