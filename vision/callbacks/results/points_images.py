"""Evaluated rooms: the score of each, and what is kept of its prediction.

Letters: P points of a room.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.shelf import Shelf
from vision.contracts.points import IGNORED
from vision.metrics.confusion import count_pairs
from vision.metrics.segmentation_table import SegmentationScores


class Room(NamedTuple):
    """The points of a room with their true and predicted classes.

    Attributes:
        points: float `(P, 3)` x, y and z.
        colors: uint8 `(P, 3)` RGB; None if it has none.
        truth: int64 `(P,)` class index or `IGNORED`.
        found: int64 `(P,)` class index.
    """

    points: np.ndarray
    colors: np.ndarray | None
    truth: np.ndarray
    found: np.ndarray


def shelve(shelf: Shelf, evaluated: Evaluated) -> None:
    """Put the rooms of a batch on a shelf, each scored by its mean IoU.

    Args:
        shelf: The shelf.
        evaluated: The batch, with labels.
    """
    batch = evaluated.batch
    labels = batch["label"].split(batch["point_counts"].tolist())
    places = evaluated.places.tolist()
    rows = zip(evaluated.predictions, labels, places, batch["room"], strict=True)
    for one, target, place, room in rows:
        scored = score_room(one["label"], target, place=place, name=room)
        shelf.add(scored, partial(_kept, one["label"]))


def score_room(found: Tensor, truth: Tensor, *, place: int = 0, name: str = "") -> Scored:
    """Score a room by the mean IoU of the classes that are in it or its prediction.

    Args:
        found: int64 `(P,)` class index.
        truth: int64 `(P,)` class index or `IGNORED`.
        place: Index in the dataset.
        name: Name of the room.

    Returns:
        The room; its score is NaN if all points are ignored, and its objects are its classes.
    """
    true, predicted = truth.to(torch.uint8), found.to(torch.uint8)
    pairs = count_pairs(true, predicted)[:IGNORED, :IGNORED].cpu().numpy()
    classes = int((pairs.sum(axis=1) > 0).sum())
    return Scored(place, SegmentationScores(confusion=pairs).mIoU, classes, name)


def _kept(labels: Tensor) -> np.ndarray:
    return labels.to(torch.uint8).cpu().numpy()


def load_room(dataset: Any, place: int, found: np.ndarray) -> Room:
    """The points of a room of a dataset that has `example(i)`, with what was predicted.

    Args:
        dataset: Its `example` returns the `points`, `label` and maybe `colors` of a file.
        place: Index in the dataset.
        found: Integers `(P,)` class index.
    """
    stored = {key: value.numpy() for key, value in dataset.example(place).items()}
    truth, colors = stored["label"], stored.get("colors")
    return Room(stored["points"], colors, truth, found.astype(np.int64))
