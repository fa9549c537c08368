"""The files of a split of a segmentation dataset."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vision.data.files.finding import PathList
from vision.errors import DataError
from vision.ops.label_images import read_labels


@dataclass(frozen=True, kw_only=True)
class SegmentationIndex:
    """The files of a split.

    Attributes:
        images: Path of each image.
        masks: Path of the mask of each; None where they are not known.
        read_mask: Reads the values of a mask file; PNG unless a dataset has others.

    Raises:
        DataError: The numbers of images and masks differ.
    """

    images: PathList
    masks: PathList | None = None
    read_mask: Callable[[str], np.ndarray] = read_labels

    def __post_init__(self) -> None:
        if self.masks is not None and len(self.masks) != len(self.images):
            raise DataError(f"{len(self.images):,} images, but {len(self.masks):,} masks.")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: np.ndarray) -> "SegmentationIndex":
        """The files at some places, int64 `(n,)`, as an index of their own."""
        masks = None if self.masks is None else self.masks.take(chosen)
        return replace(self, images=self.images.take(chosen), masks=masks)
