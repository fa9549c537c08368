"""What the sweeps of a split hold, and all problems of such a dataset at once."""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.contracts.boxes3d import CENTRE
from vision.data.check.boxes3d_facts import MAX_TRUNCATION, MIN_OBJECTS
from vision.data.check.looking import look_at, spread_places
from vision.data.index.lidar import LidarIndex, SweepObjects
from vision.errors import DataError
from vision.ops.points_in_boxes import points_in_boxes
from vision.wording import counted

# Sweeps of a split that are read at the start; more, up to a maximum, if these have few objects.
LOOKED_AT, MAX_LOOKED_AT = 3, 12
# Of objects that are hardly hidden, this share has points in its boxes.
MIN_HIT = 0.5
MAX_OCCLUSION = 1


class Sweeps(Protocol):
    """The samples of a split, as far as they are looked at."""

    index: LidarIndex

    def visible(self, place: int) -> np.ndarray:
        """The points of a sweep, those that the camera does not see left out if so wished."""

    def within(self, points: np.ndarray) -> np.ndarray:
        """Which points, or centres of boxes, are within the range."""


class SweepNote(NamedTuple):
    """What one sweep holds.

    Attributes:
        points: Its points, without those that are left out since the camera does not see them.
        within: Those of them within the range.
        objects: Objects of the classes within the range that are hardly hidden.
        hit: Those of them with a point in their box.
    """

    points: int
    within: int
    objects: int
    hit: int


class LidarFacts:
    """Collects what sweeps hold.

    Attributes:
        notes: What each holds.
    """

    def __init__(self) -> None:
        self.notes: list[SweepNote] = []

    def look(self, sweeps: Sweeps, place: int) -> SweepNote:
        """Read a sweep, and say what it holds.

        Raises:
            ImageError: It is absent or broken, or none of its points is within the range.
        """
        points = sweeps.visible(place)
        hit = np.zeros(0, bool)
        if sweeps.index.has_targets:
            objects = plain_objects(sweeps.index, place)
            boxes = objects.boxes3d[sweeps.within(objects.boxes3d)]
            places = torch.from_numpy(points[:, CENTRE])
            hit = points_in_boxes(places, torch.from_numpy(boxes)).any(dim=1).numpy()
        within = int(sweeps.within(points).sum())
        return SweepNote(len(points), within, len(hit), int(hit.sum()))

    def check(self, split: str) -> None:
        """Raise an error if the points are not where the objects are.

        Args:
            split: Name of the split.

        Raises:
            DataError: Too few objects have points.
        """
        objects, hit = (sum(note[i] for note in self.notes) for i in (2, 3))
        if objects >= MIN_OBJECTS and hit < MIN_HIT * objects:
            raise DataError(
                f"only {hit:,} of {counted(objects, 'objects')} of the {split} split that are "
                "hardly hidden have a point of the sweep in their box: expected nearly all. "
                "Calibrations or labels of other sweeps, or points in another frame (expected x "
                "forward, y left, z up, in metres) are usual reasons."
            )

    def describe(self) -> list[str]:
        """What the sweeps hold, in lines."""
        if not self.notes:
            return []
        points, within = (np.array([note[i] for note in self.notes]) for i in (0, 1))
        lines = [
            f"{counted(len(self.notes), 'sweeps')} of {np.median(points):,.0f} points "
            f"({points.min():,} to {points.max():,}), {within.sum() / points.sum():.0%} of them "
            "within data.point_range"
        ]
        objects, hit = (sum(note[i] for note in self.notes) for i in (2, 3))
        if objects:
            lines.append(f"{hit:,} of {counted(objects, 'objects')} that are seen have points")
        return lines


def plain_objects(index: LidarIndex, place: int) -> SweepObjects:
    """The objects of the classes that are hardly hidden or cut off.

    Args:
        index: The sweeps.
        place: Index of the sweep.
    """
    scene = index.in_space(place)
    plain = scene.truncation <= MAX_TRUNCATION
    plain &= (scene.occlusion <= MAX_OCCLUSION) & (scene.occlusion >= 0)
    return index.objects_of(place).take(plain & (scene.labels >= 0))


def read_some(sweeps: Sweeps, split: str, *, skip: bool = False) -> None:
    """Read some sweeps of a split, evenly spread, and log what they hold.

    Args:
        sweeps: The samples of the split.
        split: Its name.
        skip: Whether unreadable ones are left out here, and the run decides whether it skips them.

    Raises:
        ImageError: A file is absent or broken, unless `skip`.
        DataError: The points are not where the objects are.
    """
    facts = LidarFacts()
    count = len(sweeps.index)
    places = [*dict.fromkeys([*spread_places(count, LOOKED_AT), *range(count)])][:MAX_LOOKED_AT]
    wanted = takewhile(
        lambda one: one[0] < LOOKED_AT or sum(note.objects for note in facts.notes) < MIN_OBJECTS,
        enumerate(places),
    )
    look_at(
        facts,
        (place for _, place in wanted),
        lambda place: facts.look(sweeps, place),
        split=split,
        skip=skip,
    )


class CheckedSweeps(Dataset[SweepNote]):
    """Sweeps to read, with what they hold.

    Args:
        sweeps: The samples.
        split: Name of the split.
        lines: Other remarks on it.
    """

    def __init__(self, sweeps: Sweeps, split: str, lines: Sequence[str]) -> None:
        self.sweeps = sweeps
        self.split = split
        self.lines = lines
        self.facts = LidarFacts()

    def __getitem__(self, place: int) -> SweepNote:
        """Read a sweep.

        Raises:
            ImageError: It is absent or broken, or none of its points is within the range.
        """
        return self.facts.look(self.sweeps, place)

    def collect(self, found: Sequence[SweepNote]) -> None:
        """Note what some sweeps hold."""
        self.facts.notes += found

    def remarks(self) -> list[str]:
        """What the sweeps and the objects are."""
        return [f"{self.split}: {line}" for line in [*self.facts.describe(), *self.lines]]

    def __len__(self) -> int:
        return len(self.sweeps.index)
