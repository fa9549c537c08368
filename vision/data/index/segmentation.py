"""The files of a split of a segmentation dataset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vision.data.files.finding import PathList
from vision.data.images.read import EncodedImage, read_file
from vision.errors import DataError
from vision.ops.label_images import read_labels


class StoredMask(NamedTuple):
    """The mask of an image as it is stored.

    Attributes:
        labels: Values or colours of the pixels, for a `Table`.
        name: Its origin, for errors.
    """

    labels: np.ndarray
    name: str


@dataclass(frozen=True, kw_only=True)
class SegmentationIndex:
    """The files of a split.

    Attributes:
        images: Path of each image.
        masks: Path of the mask of each; None if there are no masks.
        read_mask: Reads the values of a mask file; PNG by default.

    Raises:
        DataError: The numbers of images and masks differ.
    """

    images: Sequence[str]
    masks: Sequence[str] | None = None
    read_mask: Callable[[str], np.ndarray] = read_labels

    def __post_init__(self) -> None:
        if self.masks is not None and len(self.masks) != len(self.images):
            raise DataError(f"{len(self.images):,} images, but {len(self.masks):,} masks.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_targets(self) -> bool:
        """Whether there are masks."""
        return self.masks is not None

    def image(self, place: int) -> EncodedImage:
        """The bytes of an image, by its index in the split.

        Raises:
            ImageError: The file is absent or cannot be read.
        """
        return read_file(self.images[place])

    def mask_file(self, place: int) -> EncodedImage:
        """The bytes of the mask of an image.

        Raises:
            DataError: There is no mask.
            ImageError: The file is absent or cannot be read.
        """
        return read_file(self._mask_path(place))

    def mask(self, place: int) -> StoredMask:
        """The mask of an image.

        Raises:
            DataError: There is no mask.
            ImageError: The file is absent or cannot be read.
        """
        path = self._mask_path(place)
        return StoredMask(self.read_mask(path), path)

    def take(self, chosen: np.ndarray) -> "SegmentationIndex":
        """The files at some indices, int64 `(n,)`, as an index of their own."""

        def taken(paths: Sequence[str]) -> PathList:
            return PathList(paths[place] for place in chosen.tolist())

        masks = None if self.masks is None else taken(self.masks)
        return replace(self, images=taken(self.images), masks=masks)

    def _mask_path(self, place: int) -> str:
        if self.masks is None:
            raise DataError(f"image '{self.images[place]}' has no mask.")
        return self.masks[place]
