"""Records of an evaluation of point clouds, for its report."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.points_images import shelve
from vision.callbacks.results.shelf import Shelf, gather_examples
from vision.metrics.points.table import PointScores
from vision.metrics.processes import gather_rows

EXAMPLES = 6


class PointRecord(NamedTuple):
    """The counts of points, and some predictions.

    Attributes:
        result: Counts of all points, and of each room.
        places: Index of each room in the dataset, by name.
        chosen: The best, the worst and random rooms.
        labels: uint8 `(P,)` class index of each point of the chosen ones, by index in the dataset.
        palette: uint8 `(K, 3)` RGB of each class; None for ours.
    """

    result: PointScores
    places: dict[str, int]
    chosen: dict[str, list[Scored]]
    labels: Mapping[int, np.ndarray]
    palette: np.ndarray | None


class PointRecorder:
    """Scores each room, and keeps the classes of the best, the worst and some others."""

    def __init__(self) -> None:
        self._shelf = Shelf(EXAMPLES)
        self._rooms: dict[int, str] = {}

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with no rooms."""
        self.__init__()  # type: ignore[misc]

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Score the rooms of a batch."""
        places = evaluated.places.tolist()
        self._rooms |= dict(zip(places, evaluated.batch["room"], strict=True))
        shelve(self._shelf, evaluated)

    def finish(self, trainer: Trainer, task: Any) -> PointRecord:
        """The rooms of all processes."""
        shown = gather_examples(self._shelf, EXAMPLES)
        rooms = gather_rows(self._rooms)
        record = PointRecord(
            result=task.point_result,
            places={name: place for place, name in rooms.items()},
            chosen=shown.chosen,
            labels=shown.arrays,
            palette=None if task.palette is None else np.array(task.palette, np.uint8),
        )
        self._shelf = Shelf(EXAMPLES)
        return record
