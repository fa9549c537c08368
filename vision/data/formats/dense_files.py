"""The images of a split with the depth or the normals of their pixels, in a file each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from vision.data.files.finding import PathList
from vision.data.images.read import read_file
from vision.data.transforms.crops import Box
from vision.data.transforms.dense_targets import DenseTargets
from vision.data.transforms.geometry import Geometry, Size
from vision.data.transforms.segmentation import decode_masked
from vision.errors import DataError


class DenseImage(NamedTuple):
    """A decoded image.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        targets: What is known of its pixels; None in prediction.
    """

    image: Tensor
    targets: DenseTargets | None


class DenseIndex(ABC):
    """The images of a split, which may be in a file each or in one for all.

    Attributes:
        images: Path, or another name, of each image.
        target_names: Path, or another name, of the depth or normals of each; None without them.
    """

    images: Sequence[str]
    target_names: Sequence[str] | None

    @abstractmethod
    def load(self, place: int, *, targets: bool = True, strict: bool = False) -> DenseImage:
        """Read an image.

        Args:
            place: Its index in the split.
            targets: Whether to read its targets.
            strict: As in `decode_image`.

        Raises:
            ImageError: The image cannot be read, or its targets have another size.
            DataError: Its targets are absent, broken or wrong.
        """

    @abstractmethod
    def take(self, chosen: np.ndarray) -> "DenseIndex":
        """The images at some indices, int64 `(n,)`, as an index of their own."""

    @property
    def has_targets(self) -> bool:
        """Whether there are depths or normals."""
        return self.target_names is not None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class DenseFiles(DenseIndex):
    """Images and targets in a file each.

    Attributes:
        images: Path of each image.
        target_names: Path of its depth or normals; None without them.
        read: Reads the targets of the pixels of an image from their file.
        what: What messages call such a file.
        window: The part of an image, from its height and width, that is used; None for all of it.

    Raises:
        DataError: The numbers of images and targets differ.
    """

    images: Sequence[str]
    target_names: Sequence[str] | None = None
    read: Callable[[str], DenseTargets] | None = None
    what: str = "depth map"
    window: Callable[[Size], Box] | None = None

    def __post_init__(self) -> None:
        if self.target_names is not None and len(self.target_names) != len(self.images):
            raise DataError(
                f"{len(self.images):,} images, but {len(self.target_names):,} files of {self.what}."
            )

    def load(self, place: int, *, targets: bool = True, strict: bool = False) -> DenseImage:
        """Read an image, and the file of its targets.

        Raises:
            ImageError: The image cannot be read, or its targets have another size.
            DataError: Its targets are absent, broken or wrong.
        """
        encoded = read_file(self.images[place])
        name, found = "", None
        if targets:
            if self.target_names is None or self.read is None:
                raise DataError(f"image '{self.images[place]}' has no {self.what}.")
            name = self.target_names[place]
            found = self.read(name)
        plane = None if found is None else np.empty(found.size)
        image = decode_masked(encoded, plane, name, strict=strict, what=self.what)
        if self.window is None:
            return DenseImage(image, found)
        size = (image.shape[1], image.shape[2])
        box = self.window(size)
        kept = (box.height, box.width)
        part = Geometry(size, box, kept, flip=False, canvas=kept)
        return DenseImage(part.crop(image), None if found is None else found.mapped(part))

    def take(self, chosen: np.ndarray) -> "DenseFiles":
        """The files at some indices, int64 `(n,)`, as an index of their own."""

        def taken(paths: Sequence[str]) -> PathList:
            return PathList(paths[place] for place in chosen.tolist())

        names = None if self.target_names is None else taken(self.target_names)
        return replace(self, images=taken(self.images), target_names=names)
