"""Semantic segmentation measured between two folders of label images."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vision.errors import DataError
from vision.metrics.segmentation import (
    SegmentationEvaluator,
    SegmentationScores,
    check_names,
)
from vision.ops.label_images import read_labels

# From the values in a file, `(H, W)` or `(H, W, 3)`, to uint8 `(H, W)` classes; the path is for
# messages.
Classes = Callable[[np.ndarray, Path], np.ndarray]
# Files that a message names.
MAX_NAMED = 3


class LabelPair(NamedTuple):
    """The files of one image.

    Attributes:
        annotation: The ground truth.
        prediction: The prediction.
    """

    annotation: Path
    prediction: Path


def find_labels(folder: Path, suffix: str = "") -> dict[str, Path]:
    """Find the PNG files in a folder and its sub-folders.

    Args:
        folder: The folder; links to folders are followed, hidden files left out.
        suffix: End of the names that count, before `.png`, such as `_gtFine_labelTrainIds`.

    Returns:
        Files by their path in the folder, without the suffix and `.png`, in order.

    Raises:
        DataError: The folder is absent, or has no such file.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}' (looked at {folder.resolve()}).")
    ending = f"{suffix}.png"
    found = {}
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if name.endswith(ending) and not name.startswith("."):
                path = Path(place, name)
                found[path.relative_to(folder).as_posix().removesuffix(ending)] = path
    if not found:
        raise DataError(f"'{folder}' and its sub-folders have no file '*{ending}'.")
    return dict(sorted(found.items()))


def pair_labels(
    annotations: Path,
    predictions: Path,
    *,
    annotation_suffix: str = "",
    prediction_suffix: str = "",
) -> list[LabelPair]:
    """Find the prediction for each annotation: the file of the same path in the other folder.

    Args:
        annotations: Folder of the ground truth.
        predictions: Folder of the predictions.
        annotation_suffix: As in `find_labels`.
        prediction_suffix: Likewise.

    Returns:
        The pairs, in the order of their paths.

    Raises:
        DataError: A folder is absent or empty, or a file is without its counterpart.
    """
    truth = find_labels(annotations, annotation_suffix)
    found = find_labels(predictions, prediction_suffix)
    missing = [name for name in truth if name not in found]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(truth):,} annotations in '{annotations}' have no prediction"
            f" in '{predictions}', such as {_first(missing, prediction_suffix)}. Every image is"
            " measured: predict those too, under the same paths."
        )
    surplus = [name for name in found if name not in truth]
    if surplus:
        raise DataError(
            f"{len(surplus):,} of {len(found):,} predictions in '{predictions}' have no annotation"
            f" in '{annotations}', such as {_first(surplus, annotation_suffix)}. Give the split"
            " that was predicted, or remove them."
        )
    return [LabelPair(path, found[name]) for name, path in truth.items()]


def evaluate_labels(
    pairs: Sequence[LabelPair],
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

    def read(pair: LabelPair) -> tuple[np.ndarray, np.ndarray]:
        truth = _read(pair.annotation, annotation_classes)
        found = _read(pair.prediction, prediction_classes)
        if truth.shape != found.shape:
            raise DataError(
                f"'{pair.prediction}' has {_size(found)} pixels, but '{pair.annotation}'"
                f" {_size(truth)}; a prediction must have the size of its annotation."
            )
        return found, truth

    for pair, (found, truth) in zip(pairs, _ahead(read, pairs, workers), strict=True):
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


def _ahead(
    read: Callable[[LabelPair], tuple[np.ndarray, np.ndarray]],
    pairs: Sequence[LabelPair],
    workers: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read pairs in order by threads that are at most two files each ahead."""
    if workers < 1:
        yield from map(read, pairs)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[np.ndarray, np.ndarray]]] = deque()
        try:
            for pair in pairs:
                waiting.append(pool.submit(read, pair))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _first(names: Sequence[str], suffix: str) -> str:
    named = ", ".join(f"'{name}{suffix}.png'" for name in names[:MAX_NAMED])
    return named + (", ..." if len(names) > MAX_NAMED else "")


def _size(labels: np.ndarray) -> str:
    return f"{labels.shape[0]} x {labels.shape[1]}"
