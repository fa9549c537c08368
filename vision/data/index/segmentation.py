"""The files of a split of a segmentation dataset."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vision.data.index.masked_files import MaskedFiles, take_paths
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
class SegmentationIndex(MaskedFiles):
    """The files of a split.

    Attributes:
        images: Path of each image.
        masks: Path of the mask of each; None if there are no masks.
        read_mask: Reads the values of a mask file; PNG by default.

    Raises:
        DataError: The numbers of images and masks differ.
    """

    what = "mask"

    read_mask: Callable[[str], np.ndarray] = read_labels

    def mask(self, place: int) -> StoredMask:
        """The mask of an image.

        Raises:
            DataError: There is no mask.
            ImageError: The file is absent or cannot be read.
        """
        path = self.mask_path(place)
        return StoredMask(self.read_mask(path), path)

    def take(self, chosen: np.ndarray) -> "SegmentationIndex":
        """The files at some indices, int64 `(n,)`, as an index of their own."""
        masks = None if self.masks is None else take_paths(self.masks, chosen)
        return replace(self, images=take_paths(self.images, chosen), masks=masks)
