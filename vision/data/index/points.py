"""The rooms of a split of a dataset of points, in arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vision.data.index.masked_files import take_paths
from vision.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class PointIndex:
    """The N rooms of a split.

    Attributes:
        rooms: Name of each, all different.
        points: The file of the points of each, or its folder.
        labels: The file of the labels of each; None if they are in the first.
        has_targets: Whether there are labels.

    Raises:
        DataError: The numbers of rooms and files differ.
    """

    rooms: Sequence[str]
    points: Sequence[str]
    labels: Sequence[str] | None = None
    has_targets: bool = True

    def __post_init__(self) -> None:
        counts = [len(self.rooms), len(self.points)]
        counts += [] if self.labels is None else [len(self.labels)]
        if len({*counts}) > 1:
            raise DataError(f"numbers of rooms, of files, and of files of labels: {counts}.")

    def __len__(self) -> int:
        return len(self.rooms)

    @property
    def images(self) -> Sequence[str]:
        """The file of the points of each."""
        return self.points

    def take(self, chosen: np.ndarray) -> "PointIndex":
        """The rooms at some indices, int64 `(n,)`, as an index of their own."""
        return replace(
            self,
            rooms=take_paths(self.rooms, chosen),
            points=take_paths(self.points, chosen),
            labels=None if self.labels is None else take_paths(self.labels, chosen),
        )
