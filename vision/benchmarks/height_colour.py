"""What is known of points by their height and colour alone: a baseline for their segmentation.

Heights above the lowest point of the room and colours are divided into bins. Each bin has the class
that most points of the training rooms have there. A model that has learned shapes is better.

Letters: P points, K classes, N bins.
"""

from typing import Any

import numpy as np

from vision.contracts.points import IGNORED
from vision.data.transforms.points import GREY
from vision.errors import DataError
from vision.metrics.points.evaluator import PointEvaluator
from vision.metrics.points.table import PointScores
from vision.metrics.text_table import cell, columns

# Height of a bin in metres, bins of heights, and bins of each of the three colours.
STEP_M, HEIGHTS, SHADES = 0.1, 40, 8
# What a bin is made of.
WAYS = ("height", "colour", "height and colour")
# How classes are weighed: as they are, or each as if all had the same number of points.
WEIGHTS = ("", ", classes alike")
SPLITS = ("train", "val")


def measure_height_colour(*, data: Any) -> None:
    """Print the IoU of such bins on the validation set of a datamodule of points.

    Args:
        data: The datamodule, a `PointData`.

    Raises:
        DataError: It is of another kind, or a file is absent or wrong.
    """
    if getattr(data, "kind", None) != "points":
        raise DataError(f"{type(data).__name__} has no points; give a dataset that has, as S3DIS.")
    names = data.class_names
    train, val = (data.make_samples(data.index(split), data.eval_transform) for split in SPLITS)
    counts = {way: count_bins(train, way, len(names)) for way in WAYS}
    rows = [["", "mIoU", *names]]
    for way in WAYS:
        for weight in WEIGHTS:
            rule = fit_rule(counts[way], alike=bool(weight))
            scores = measure_rule(val, way, rule, len(names))
            rows.append([f"{way}{weight}", cell(scores.mIoU), *map(cell, scores.iou.tolist())])
    print("\n".join(columns(rows)))


def bins_of(points: np.ndarray, colors: np.ndarray | None, way: str) -> np.ndarray:
    """The bin of each point of a room, int64 `(P,)`.

    Args:
        points: float `(P, 3)` in metres.
        colors: uint8 `(P, 3)`; None is the middle grey.
        way: One of `WAYS`.
    """
    found = np.zeros(len(points), np.int64)
    if "height" in way:
        heights = points[:, 2] - points[:, 2].min()
        found += np.floor(heights / STEP_M).astype(np.int64).clip(0, HEIGHTS - 1)
    if "colour" in way:
        shades = np.full((len(points), 3), GREY) if colors is None else colors
        for channel in (shades.astype(np.int64) * SHADES // 256).T:
            found = found * SHADES + channel
    return found


def number_of_bins(way: str) -> int:
    """How many bins there are of one of `WAYS`."""
    return (HEIGHTS if "height" in way else 1) * (SHADES**3 if "colour" in way else 1)


def count_bins(dataset: Any, way: str, classes: int) -> np.ndarray:
    """Points of each class in each bin, int64 `(K, N)`, of all rooms of a dataset.

    Args:
        dataset: `PointSamples` with labels.
        way: One of `WAYS`.
        classes: K.
    """
    size = number_of_bins(way)
    counts = np.zeros(classes * size, np.int64)
    for place in range(len(dataset)):
        bins, label = _bins_and_labels(dataset, place, way)
        counted = label != IGNORED
        counts += np.bincount(label[counted] * size + bins[counted], minlength=len(counts))
    return counts.reshape(classes, size)


def fit_rule(counts: np.ndarray, *, alike: bool) -> np.ndarray:
    """The class of each bin, int64 `(N,)`; the most frequent one of all where no point was.

    Args:
        counts: `(K, N)`, as of `count_bins`.
        alike: Whether each class counts as if all had the same number of points.
    """
    whole = counts.sum(axis=1)
    shares = counts / np.maximum(whole, 1)[:, None] if alike else counts
    return np.where(counts.any(axis=0), shares.argmax(axis=0), whole.argmax())


def measure_rule(dataset: Any, way: str, rule: np.ndarray, classes: int) -> PointScores:
    """The scores of a rule.

    Args:
        dataset: `PointSamples` with labels.
        way: One of `WAYS`.
        rule: int64 `(N,)`, as of `fit_rule`.
        classes: K.
    """
    evaluator = PointEvaluator(classes)
    for place in range(len(dataset)):
        bins, label = _bins_and_labels(dataset, place, way)
        evaluator.update(str(place), rule[bins], label)
    return evaluator.compute(all_processes=False)


def _bins_and_labels(dataset: Any, place: int, way: str) -> tuple[np.ndarray, np.ndarray]:
    room = dataset.example(place)
    colors = room["colors"].numpy() if "colors" in room else None
    return bins_of(room["points"].numpy(), colors, way), room["label"].numpy()
