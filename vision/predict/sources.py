"""How what a person gives to `predict` is found, named and read; one class per sort of input."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, ClassVar, Protocol

from vision.predict.images import list_images, name_images


class Unread(Protocol):
    """An image, or a volume, of a source, not read yet."""

    @property
    def index(self) -> int:
        """Its number in the source, from 0."""

    @property
    def path(self) -> str | None:
        """Its file; None for one in memory."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    def read(self) -> Any:
        """Read it.

        Raises:
            ImageError: It cannot be read.
        """


class Sources(ABC):
    """One sort of input, such as images.

    Attributes:
        unit: Name of what it holds, in the plural.
        expected: What to give, for messages.
    """

    unit: ClassVar[str]
    expected: ClassVar[str]

    @abstractmethod
    def listed(self, source: Any) -> Iterable[Unread]:
        """List what a source holds, in its order, without reading it.

        Args:
            source: What a person gave, or a list of values of `named`.

        Raises:
            ConfigError: The source, or an item of it, holds nothing of this sort.
            DataError: A folder or a pattern holds nothing of this sort.
        """

    @abstractmethod
    def named(self, source: str | os.PathLike[str] | Sequence[str]) -> Mapping[str, Any]:
        """Name what a path, a folder, a pattern or a list of files holds.

        Returns:
            What `listed` takes, by names that are paths relative to a common folder.

        Raises:
            DataError: There is nothing.
        """

    @abstractmethod
    def stem(self, name: str) -> str:
        """A name of `named` without the suffix of its file."""

    @abstractmethod
    def may_be_one(self, source: Any) -> bool:
        """Whether a source may hold a single image or volume; a folder of many does not."""


class ImageSources(Sources):
    """Images in files and in memory."""

    unit = "images"
    expected = "an image, a folder, a pattern or a video"

    def listed(self, source: Any) -> Iterable[Unread]:
        """The images, as `list_images` finds them."""
        return list_images(source)

    def named(self, source: str | os.PathLike[str] | Sequence[str]) -> Mapping[str, str]:
        """The files of images."""
        return name_images(source)

    def stem(self, name: str) -> str:
        """A path without its suffix."""
        return PurePath(name).with_suffix("").as_posix()

    def may_be_one(self, source: Any) -> bool:
        """Whether it is not a folder."""
        is_path = isinstance(source, str | os.PathLike)
        return not (is_path and os.path.isdir(os.path.expanduser(source)))
