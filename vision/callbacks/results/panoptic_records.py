"""Records of a panoptic evaluation, for its report."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.panoptic_images import compare_images, shelve
from vision.callbacks.results.shelf import Shelf, gather_examples
from vision.draw.panoptic import Segmented
from vision.metrics.panoptic import segments_of
from vision.metrics.panoptic_breakdown import PanopticBreakdown
from vision.metrics.panoptic_table import PanopticScores
from vision.metrics.processes import gather_shares

EXAMPLES = 6


class PanopticRecord(NamedTuple):
    """The matches of segments, and the score of each image.

    Attributes:
        result: Matches by class.
        breakdown: Confusion and sizes of segments.
        scored: All images, by index in the dataset.
        chosen: The best, the worst and random ones of them.
        segments: What was found in the chosen images, by index.
    """

    result: PanopticScores
    breakdown: PanopticBreakdown
    scored: list[Scored]
    chosen: dict[str, list[Scored]]
    segments: Mapping[int, Segmented]


class PanopticRecorder:
    """Scores each image, and keeps the segments of the best, the worst and some others."""

    def __init__(self) -> None:
        self._shelf = Shelf(EXAMPLES)
        self._breakdown = PanopticBreakdown.of_classes(0)

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with no images."""
        self._shelf = Shelf(EXAMPLES)
        self._breakdown = PanopticBreakdown.of_classes(task.num_classes)

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Compare the images of a batch with their ground truth."""
        things = np.isin(np.arange(task.num_classes), task.things)
        for compared in compare_images(evaluated):
            shelve(self._shelf, compared)
            truth, found = compared.segments, compared.prediction["segments"]
            self._breakdown.update(compared.pairs, segments_of(truth), segments_of(found), things)

    def finish(self, trainer: Trainer, task: Any) -> PanopticRecord:
        """The images of all processes."""
        shown = gather_examples(self._shelf, EXAMPLES)
        self._shelf = Shelf(EXAMPLES)
        return PanopticRecord(
            result=task.panoptic_result,
            breakdown=reduce(add, gather_shares(self._breakdown)),
            scored=shown.scored,
            chosen=shown.chosen,
            segments=shown.arrays,
        )
