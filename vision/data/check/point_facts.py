"""What the rooms of a split hold, and all problems of such a dataset at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from vision.contracts.points import IGNORED
from vision.data.check.looking import look_at, spread_places
from vision.data.check.unique_parts import unique_parts
from vision.data.formats.rooms import RoomForm, files_of, read_room
from vision.data.index.points import PointIndex
from vision.data.transforms.room_voxels import find_voxels
from vision.errors import DataError, ImageError, listed
from vision.wording import counted

# Rooms of a split that are read at the start.
LOOKED_AT = 3
MAX_LISTED = 8


class PointNote(NamedTuple):
    """What one room holds.

    Attributes:
        path: The file of its points.
        points: Their number.
        voxels: Number of voxels that hold any.
        sides: float64 `(3,)`, of the box of its points in metres.
        has_colors: Whether points have colours.
        counts: int64 `(256,)` points of each class index and `IGNORED`; None without labels.
    """

    path: str
    points: int
    voxels: int
    sides: np.ndarray
    has_colors: bool
    counts: np.ndarray | None


class PointFacts:
    """Collects what rooms hold.

    Args:
        form: How files are meant.
        voxel_size: Side of a voxel in metres.
        names: Name of each class.

    Attributes:
        notes: What each room holds.
    """

    def __init__(self, form: RoomForm, voxel_size: float, names: Sequence[str]) -> None:
        self.form = form
        self.voxel_size = voxel_size
        self.names = tuple(names)
        self.notes: list[PointNote] = []

    def look(self, index: PointIndex, place: int) -> PointNote:
        """Read a room, and say what it holds.

        Raises:
            ImageError: A file is absent or broken, or has wrong numbers.
        """
        files = files_of(index, place)
        form = self.form if index.has_targets else self.form.without_labels()
        try:
            cloud = read_room(files, form)
            voxels = find_voxels(cloud.points, self.voxel_size, files.points)
        except DataError as error:
            raise ImageError(str(error)) from error
        label = cloud.label
        return PointNote(
            path=files.points,
            points=len(cloud.points),
            voxels=len(voxels.starts),
            sides=cloud.points.max(axis=0).astype(np.float64) - cloud.points.min(axis=0),
            has_colors=cloud.colors is not None,
            counts=None if label is None else np.bincount(label, minlength=IGNORED + 1),
        )

    def counts(self) -> np.ndarray:
        """Points of each class index and `IGNORED`, int64 `(256,)`, of all rooms."""
        found = [note.counts for note in self.notes if note.counts is not None]
        return np.sum([np.zeros(IGNORED + 1, np.int64), *found], axis=0)

    def check(self, split: str) -> None:
        """Raise an error if there is nothing to learn.

        Raises:
            DataError: There are labels, and every point is ignored.
        """
        counts = self.counts()
        if counts.any() and not counts[:IGNORED].any():
            classes = "" if self.form.labels is None else self.form.labels.describe()
            raise DataError(
                f"every point of the {counted(len(self.notes), 'rooms')} of the {split} split that "
                f"were read, such as '{self.notes[0].path}', is ignored: there is nothing to learn."
                f" The values of the classes are {classes}."
            )

    def describe(self) -> list[str]:
        """What the rooms hold, in lines: their sizes and their classes."""
        if not self.notes:
            return []
        sides = np.array([note.sides for note in self.notes])
        lines = [
            f"{counted(len(self.notes), 'rooms')} of {_span([note.points for note in self.notes])} "
            f"points in {_span([note.voxels for note in self.notes])} voxels of "
            f"{self.voxel_size:g} metres, {sides.min():.3g} to {sides.max():.3g} metres wide, long "
            "and high"
        ]
        grey = sum(not note.has_colors for note in self.notes)
        if grey:
            lines.append(f"{counted(grey, 'rooms')} without colours, which become the middle grey")
        counts = self.counts()
        if counts.any():
            shares = counts / counts.sum()
            parts = [f"{name} {share:.2%}" for name, share in zip(self.names, shares, strict=False)]
            text = listed(parts, maximum=MAX_LISTED)
            lines.append(f"points: {text}, ignored {shares[IGNORED]:.2%}")
        return lines

    def absent(self) -> list[str]:
        """Names of the classes that no point has; none without labels."""
        counts = self.counts()
        if not counts.any():
            return []
        pairs = zip(self.names, counts.tolist(), strict=False)
        return [name for name, count in pairs if not count]


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def read_some(index: PointIndex, facts: PointFacts, split: str, *, skip: bool = False) -> None:
    """Read some rooms of a split, evenly spread, and log what they hold.

    Args:
        index: The split.
        facts: Collects what they hold.
        split: Name of the split.
        skip: Whether unreadable ones are left out here, and the run decides whether it skips them.

    Raises:
        ImageError: A file is absent or broken, unless `skip`.
        DataError: There is nothing to learn.
    """
    places = spread_places(len(index), LOOKED_AT)
    look_at(facts, places, lambda place: facts.look(index, place), split=split, skip=skip)


class CheckedRooms(Dataset[PointNote]):
    """Rooms to read, with what they hold.

    Args:
        index: The rooms.
        facts: Collects what they hold.
        split: Name of the split.
    """

    def __init__(self, index: PointIndex, facts: PointFacts, split: str) -> None:
        self.index = index
        self.facts = facts
        self.split = split

    def __getitem__(self, place: int) -> PointNote:
        """Read a room, whole.

        Raises:
            ImageError: A file is absent or broken, or has wrong numbers.
        """
        return self.facts.look(self.index, place)

    def collect(self, found: Sequence[PointNote]) -> None:
        """Note what some rooms hold."""
        self.facts.notes += found

    def remarks(self) -> list[str]:
        """What they hold, and the classes that no point has."""
        lines = self.facts.describe()
        if absent := self.facts.absent():
            names = listed(map(repr, absent), maximum=MAX_LISTED)
            lines.append(f"no point of any room has the class {names}")
        return [f"{self.split}: {line}." for line in lines]

    def __len__(self) -> int:
        return len(self.index)


def unique_rooms(
    indices: Mapping[str, PointIndex], form: RoomForm, voxel_size: float, names: Sequence[str]
) -> Iterator[Dataset[Any]]:
    """The rooms of some splits, each once; arguments as of `PointFacts`."""
    for split, part in unique_parts(indices):
        yield CheckedRooms(part, PointFacts(form, voxel_size, names), split)
