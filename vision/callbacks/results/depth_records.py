"""Records of an evaluation of depth, for its report."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import Trainer

from vision.callbacks.results.dense_maps import DEPTH, as_array
from vision.callbacks.results.dense_pictures import shelve
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.shelf import Shelf, gather_examples
from vision.metrics.depth import compared_depths, depth_errors
from vision.metrics.depth_distance import DepthByDistance
from vision.metrics.depth_table import DepthScores
from vision.metrics.processes import gather_rows, gather_shares

EXAMPLES = 6


class DepthRecord(NamedTuple):
    """The errors of each image and of each distance.

    Attributes:
        result: The errors of all images.
        numbers: Errors of each image that has a valid pixel, by index in the dataset.
        distances: The errors of all pixels by distance.
        chosen: The best, the worst and random images.
        arrays: float32 `(H, W)` metres of the chosen images, by index.
    """

    result: DepthScores
    numbers: dict[int, dict[str, float]]
    distances: DepthByDistance
    chosen: dict[str, list[Scored]]
    arrays: Mapping[int, np.ndarray]


class DepthRecorder:
    """Measures each image, and keeps the depth of the best, the worst and some others."""

    def __init__(self) -> None:
        self._shelf = Shelf(EXAMPLES)
        self._numbers: dict[int, dict[str, float]] = {}
        self._distances: DepthByDistance | None = None

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with no images."""
        self.__init__()  # type: ignore[misc]
        protocol = task.evaluator.protocol
        self._distances = DepthByDistance.empty(protocol.min_depth, protocol.max_depth)

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Measure the images of a batch."""
        assert self._distances is not None, "it begins first"
        for pair in DEPTH.pairs(evaluated):
            compared = compared_depths(
                as_array(pair.found), as_array(pair.target), task.evaluator.protocol
            )
            if compared is None:
                continue
            predicted, truth, _ = compared
            self._distances.update(predicted, truth)
            numbers = {"pixels": len(truth), **depth_errors(predicted, truth)}
            self._numbers[pair.place] = numbers
            shelve(self._shelf, pair, numbers, DEPTH)

    def finish(self, trainer: Trainer, task: Any) -> DepthRecord:
        """The images of all processes."""
        assert self._distances is not None, "it begins first"
        shown = gather_examples(self._shelf, EXAMPLES)
        record = DepthRecord(
            result=task.depth_result,
            numbers=gather_rows(self._numbers),
            distances=reduce(add, gather_shares(self._distances)),
            chosen=shown.chosen,
            arrays=shown.arrays,
        )
        self._shelf = Shelf(EXAMPLES)
        return record
