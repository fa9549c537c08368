"""Labels of points measured between two folders of files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vision.contracts.ignored_points import IGNORED
from vision.errors import DataError
from vision.metrics.file_pairs import FilePair, read_ahead
from vision.metrics.points.evaluator import PointEvaluator
from vision.metrics.points.table import PointScores

# From a file to the class index of each of its points, int64 `(P,)`.
Labels = Callable[[Path], np.ndarray]


def evaluate_points(
    pairs: Sequence[FilePair],
    num_classes: int,
    read: Labels,
    *,
    ignored: Sequence[int] = (),
    class_names: Sequence[str] | None = None,
    workers: int = 0,
) -> PointScores:
    """Compare the labels of points, a few files at a time.

    Args:
        pairs: Their files; a room is named by the path of its prediction below the folder that all
            have in common, without the suffix.
        num_classes: K, at most 255.
        read: Reads the labels of a file.
        ignored: Values in annotations whose points do not count, besides `IGNORED`.
        class_names: K names, or None.
        workers: Threads that read files; 0 reads them one after the other.

    Raises:
        DataError: A file is broken, holds a value that is no class, or the two of a pair differ in
            their number of points.
        ConfigError: The numbers of classes and names do not fit.
    """
    evaluator = PointEvaluator(num_classes)
    evaluator.compute(class_names, all_processes=False)  # wrong names, before all files are read

    def read_pair(pair: FilePair) -> tuple[np.ndarray, np.ndarray]:
        truth, found = read(pair.annotation), read(pair.prediction)
        if len(truth) != len(found):
            raise DataError(
                f"'{pair.prediction}' has the classes of {len(found):,} points, but "
                f"'{pair.annotation}' {len(truth):,}; a prediction has one for each point of its "
                "annotation, in the same order."
            )
        return found, np.where(np.isin(truth, ignored), IGNORED, truth)

    root = os.path.commonpath([os.path.abspath(pair.prediction.parent) for pair in pairs])
    for pair, (found, truth) in zip(pairs, read_ahead(read_pair, pairs, workers), strict=True):
        room = Path(os.path.relpath(pair.prediction, root)).with_suffix("").as_posix()
        evaluator.update(room, found, truth, where=f"'{pair.prediction}'")
    return evaluator.compute(class_names, all_processes=False)
