"""What some depth or normal maps of a split hold, and all problems of such a dataset at once."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from vision.data.check.problems import ImageFiles
from vision.data.check.unique_parts import unique_parts
from vision.data.formats.dense_files import DenseIndex
from vision.data.transforms.dense_targets import DenseTargets
from vision.errors import DataError, ImageError
from vision.wording import counted

logger = logging.getLogger(__name__)

# Maps of a split that are read at the start.
LOOKED_AT = 16
# Files that a message names.
MAX_NAMED = 3


class Note(NamedTuple):
    """What one map holds.

    Attributes:
        path: Its file.
        pixels: Number of its pixels.
        valid: Number of those that have a value.
        numbers: Further facts, by name; empty without valid pixels.
        levels: Its different values, where they are counted; at most one more than that matters.
    """

    path: str
    pixels: int
    valid: int
    numbers: Mapping[str, float]
    levels: tuple[float, ...] = ()


class MapFacts(ABC):
    """Collects what maps hold, and compares it with what is expected.

    Attributes:
        notes: What each map holds.
    """

    def __init__(self) -> None:
        self.notes: list[Note] = []

    @abstractmethod
    def look(self, targets: DenseTargets, path: str) -> Note:
        """What the maps of one image hold.

        Args:
            targets: The maps.
            path: Their file.
        """

    @abstractmethod
    def describe(self) -> str:
        """What the maps hold, in words; there is a valid pixel."""

    @abstractmethod
    def require_plausible(self) -> None:
        """Raise an error if the maps together cannot be right; there is a valid pixel.

        Raises:
            DataError: They cannot.
        """

    @property
    @abstractmethod
    def what(self) -> str:
        """What a map is called, in the plural."""

    def check(self, split: str) -> None:
        """Raise an error if the maps together cannot be right.

        Raises:
            DataError: No pixel has a value, or the values cannot be meant.
        """
        if not self.notes:
            return
        if not any(note.valid for note in self.notes):
            raise DataError(
                f"no pixel of the {counted(len(self.notes), self.what)} of the {split} split that "
                f"were read has a value, such as {self.named()}: there is nothing to learn or to "
                "measure. Check what the files hold, and the options that say what is invalid."
            )
        self.require_plausible()

    def named(self) -> str:
        """Three of the files, evenly spread."""
        return named_files([note.path for note in self.notes])

    def valid_notes(self) -> list[Note]:
        """What the maps hold that have a valid pixel."""
        return [note for note in self.notes if note.valid]

    def share(self) -> float:
        """Share of all pixels that have a value, in [0, 1]."""
        return sum(note.valid for note in self.notes) / sum(note.pixels for note in self.notes)


def named_files(paths: Sequence[str]) -> str:
    """Three of some files, evenly spread, for a message."""
    places = np.linspace(0, len(paths) - 1, min(MAX_NAMED, len(paths))).round().astype(int)
    return ", ".join(f"'{paths[place]}'" for place in np.unique(places).tolist())


def read_some(
    index: DenseIndex,
    facts: MapFacts,
    split: str,
    *,
    skip: bool = False,
    maximum: int = LOOKED_AT,
) -> None:
    """Read some images of a split with their maps, evenly spread from the first to the last.

    Args:
        index: The split.
        facts: Collects what they hold, which is logged.
        split: Name of the split.
        skip: Whether unreadable images are left out here, and the run decides whether it skips
            them.
        maximum: Number of images to read.

    Raises:
        ImageError: An image cannot be read or differs in size from its map, unless `skip`.
        DataError: A map is wrong, or all of them together are.
    """
    last = max(0, len(index) - 1)
    places = np.unique(np.linspace(0, last, maximum if len(index) else 0).round().astype(int))
    for place in places.tolist():
        try:
            facts.notes.append(look_at(index, place, facts))
        except ImageError:
            if not skip:
                raise
    facts.check(split)
    if facts.notes:
        number = counted(len(facts.notes), facts.what)
        logger.info("%s: %s were read: %s", split, number, facts.describe())


def look_at(index: DenseIndex, place: int, facts: MapFacts, *, strict: bool = False) -> Note:
    """Read an image and its maps, and say what these hold."""
    assert index.target_names is not None
    _, targets = index.load(place, strict=strict)
    assert targets is not None
    return facts.look(targets, index.target_names[place])


class CheckedImages(Dataset[Note]):
    """Images and their maps to check.

    Args:
        index: The images.
        facts: Collects what the maps hold.
        split: Name of the split.
    """

    def __init__(self, index: DenseIndex, facts: MapFacts, split: str) -> None:
        self.index = index
        self.facts = facts
        self.split = split

    def __getitem__(self, place: int) -> Note:
        """Read an image and its maps: what these hold.

        Raises:
            ImageError: The image cannot be read, or differs in size from its map.
            DataError: A map is absent, broken or wrong.
        """
        return look_at(self.index, place, self.facts, strict=True)

    def collect(self, found: Sequence[Note]) -> None:
        """Add what some maps hold."""
        self.facts.notes += found

    def remarks(self) -> list[str]:
        """What all maps hold, and which have no valid pixel."""
        facts = self.facts
        if not facts.valid_notes():
            return []
        lines = [f"{self.split}: {counted(len(facts.notes), facts.what)}: {facts.describe()}"]
        blank = [note.path for note in facts.notes if not note.valid]
        if blank:
            lines.append(
                f"{self.split}: {counted(len(blank), facts.what)} without a valid pixel, such as "
                f"{named_files(blank)}"
            )
        return lines

    def __len__(self) -> int:
        return len(self.index)


def unique_images(
    indices: Mapping[str, DenseIndex], facts: Callable[[], MapFacts]
) -> Iterator[Dataset[Any]]:
    """The images of some splits with their maps, each image once.

    Args:
        indices: The splits, by name.
        facts: Makes a collection of facts.
    """
    for split, part in unique_parts(indices):
        if part.has_targets:
            yield CheckedImages(part, facts(), split)
        else:
            yield ImageFiles(part.images)
