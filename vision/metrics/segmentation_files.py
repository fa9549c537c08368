"""Semantic segmentation measured between two folders of label images."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from vision.errors import DataError
from vision.metrics.file_pairs import FilePair, read_ahead, require_equal_sizes
from vision.metrics.segmentation import (
    SegmentationEvaluator,
    SegmentationScores,
    check_names,
)
from vision.ops.label_images import read_labels

# From the values in a file, `(H, W)` or `(H, W, 3)`, to uint8 `(H, W)` classes; the path is for
# messages.
Classes = Callable[[np.ndarray, Path], np.ndarray]


def evaluate_labels(
    pairs: Sequence[FilePair],
    num_classes: int,
    *,
    annotation_classes: Classes | None = None,
    prediction_classes: Classes | None = None,
    boundary: bool = True,
    class_names: Sequence[str] | None = None,
    workers: int = 0,
) -> SegmentationScores:
    """Compare label images, a few at a time.

    Args:
        pairs: Their files.
        num_classes: K, at most 255.
        annotation_classes: What the values in an annotation mean; by default they are class
            indices, and `IGNORED`.
        prediction_classes: Likewise for predictions.
        boundary: Whether to count in boundary regions too.
        class_names: K names, or None.
        workers: Threads that read files; 0 reads them one after the other.

    Returns:
        The result.

    Raises:
        DataError: A file is broken, holds a value that is no class, or the two of a pair differ in
            size.
        ConfigError: The numbers of classes and names do not fit.
    """
    evaluator = SegmentationEvaluator(num_classes, boundary=boundary)
    check_names(class_names, num_classes)  # before all the files are read

    def read(pair: FilePair) -> tuple[np.ndarray, np.ndarray]:
        truth = _read(pair.annotation, annotation_classes)
        found = _read(pair.prediction, prediction_classes)
        require_equal_sizes(found.shape, truth.shape, pair)
        return found, truth

    for pair, (found, truth) in zip(pairs, read_ahead(read, pairs, workers), strict=True):
        where = f"'{pair.prediction}', to be compared with '{pair.annotation}'"
        evaluator.update(torch.from_numpy(found), torch.from_numpy(truth), where=where)
    return evaluator.compute(class_names)


def _read(path: Path, classes: Classes | None) -> np.ndarray:
    labels = read_labels(path)
    if classes is not None:
        return classes(labels, path)
    if labels.ndim != 2:
        raise DataError(
            f"'{path}' is an RGB image, but class indices are expected, in a grey or palette PNG."
        )
    # PyTorch can do little with uint16.
    return labels if labels.dtype == np.uint8 else labels.astype(np.int32)
