"""The images of a split, and a file with the ground truth of the pixels of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vision.data.files.finding import PathList
from vision.data.images.read import EncodedImage, read_file
from vision.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedFiles:
    """The files of a split.

    Attributes:
        images: Path of each image.
        masks: Path of the mask of each; None if there are no masks.
        what: What a mask holds, for errors.

    Raises:
        DataError: The numbers of images and masks differ.
    """

    what: ClassVar[str]

    images: Sequence[str]
    masks: Sequence[str] | None = None

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
        return read_file(self.mask_path(place))

    def mask_path(self, place: int) -> str:
        """The path of the mask of an image.

        Raises:
            DataError: There is no mask.
        """
        if self.masks is None:
            raise DataError(f"image '{self.images[place]}' has no {self.what}.")
        return self.masks[place]


def take_paths(paths: Sequence[str], chosen: np.ndarray) -> PathList:
    """The paths at some indices, int64 `(n,)`."""
    return PathList(paths[place] for place in chosen.tolist())
