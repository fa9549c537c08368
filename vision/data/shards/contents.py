"""The contents of a split for shards: its images and their annotations."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple


class About(NamedTuple):
    """The properties that all samples of a folder share.

    Attributes:
        class_names: Name of each class, by label.
        kind: Kind of task that they are for, one with a `shard_form`.
        palette: The dataset's own colour `[R, G, B]` of each class, 0 to 255; None without any.
        prediction_values: Value of each class in predictions' files, 0 to 255; None for the label.
        annotations: SHA-256 of `annotations.json`, and its length in bytes; None without it.
    """

    class_names: tuple[str, ...]
    kind: str
    palette: tuple[tuple[int, ...], ...] | None = None
    prediction_values: tuple[int, ...] | None = None
    annotations: tuple[str, int] | None = None


class Contents(ABC):
    """The samples of a split.

    Attributes:
        paths: The files of the images.
        about: The properties that all samples share.
        annotations: Contents of `annotations.json`; None without one.
    """

    paths: Sequence[str]
    about: About
    annotations: bytes | None = None

    @abstractmethod
    def members(self, sample: int) -> dict[str, bytes]:
        """The members beside an image in its shard, by suffix."""

    def sizes(self, sample: int) -> list[int]:
        """Lengths in bytes by which shards are filled; by default the members' lengths."""
        return [len(content) for content in self.members(sample).values()]

    @abstractmethod
    def state(self) -> bytes:
        """Bytes that differ when the members do."""
