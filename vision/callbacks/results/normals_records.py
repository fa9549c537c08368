"""Records of an evaluation of surface normals, for its report."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import Trainer

from vision.callbacks.results.dense_maps import NORMALS, angle_numbers
from vision.callbacks.results.dense_pictures import shelve
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.shelf import Shelf, gather_examples
from vision.metrics.normals import NormalsScores
from vision.metrics.normals_maps import angles_of_maps
from vision.metrics.processes import gather_rows, gather_shares

EXAMPLES = 6
# Edges of the intervals of the histogram, in degrees.
EDGES = np.linspace(0, 180, 361)


class NormalsRecord(NamedTuple):
    """The angles of all pixels, and the numbers of each image.

    Attributes:
        result: The result of all pixels.
        numbers: Numbers of each image that has a normal, by index in the dataset.
        counts: int64 `(360,)`, pixels by their angle, in intervals of half a degree.
        chosen: The best, the worst and random images.
        arrays: float32 `(3, H, W)` unit vectors of the chosen images, by index.
    """

    result: NormalsScores
    numbers: dict[int, dict[str, float]]
    counts: np.ndarray
    chosen: dict[str, list[Scored]]
    arrays: Mapping[int, np.ndarray]


class NormalsRecorder:
    """Measures each image, and keeps the normals of the best, the worst and some others."""

    def __init__(self) -> None:
        self._shelf = Shelf(EXAMPLES)
        self._numbers: dict[int, dict[str, float]] = {}
        self._counts = np.zeros(len(EDGES) - 1, np.int64)

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with no images."""
        self.__init__()  # type: ignore[misc]

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Measure the images of a batch."""
        for pair in NORMALS.pairs(evaluated):
            angles = angles_of_maps(pair.found, pair.target, where=pair.path)
            if not len(angles):
                continue
            self._counts += np.histogram(angles, EDGES)[0]
            numbers = angle_numbers(angles)
            self._numbers[pair.place] = numbers
            shelve(self._shelf, pair, numbers, NORMALS)

    def finish(self, trainer: Trainer, task: Any) -> NormalsRecord:
        """The images of all processes."""
        shown = gather_examples(self._shelf, EXAMPLES)
        record = NormalsRecord(
            result=task.normals_result,
            numbers=gather_rows(self._numbers),
            counts=reduce(add, gather_shares(self._counts)),
            chosen=shown.chosen,
            arrays=shown.arrays,
        )
        self._shelf = Shelf(EXAMPLES)
        return record
