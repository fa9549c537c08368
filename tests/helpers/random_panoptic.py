"""Random panoptic scenes: maps of segment ids with void, crowds, hits, near misses and misses."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from vision.annotations.panoptic import Segments
from vision.metrics.panoptic import PanopticEvaluator, overlaps
from vision.metrics.panoptic_table import PanopticScores

# The first are things.
CATEGORIES, THINGS = 5, 3


class Side(NamedTuple):
    """Segment ids `(H, W)`, and what they are."""

    ids: np.ndarray
    segments: Segments


class Scene(NamedTuple):
    """Ground truth and prediction of an image."""

    truth: Side
    found: Side


def side(ids: np.ndarray, labels: dict[int, int], crowd: set[int] = frozenset()) -> Side:
    """The side with the segments that have pixels, by ids in descending order."""
    present = [one for one in sorted(labels, reverse=True) if (ids == one).any()]
    return Side(
        ids,
        Segments(
            np.array(present, dtype=np.int64),
            np.array([labels[one] for one in present], dtype=np.int64),
            np.array([one in crowd for one in present], dtype=bool),
        ),
    )


def random_scene(seed: int, *, crowds: bool = True, void_found: bool = True) -> Scene:
    """A scene of 24 x 30 pixels.

    Args:
        seed: Of the generator.
        crowds: Whether segments may be crowds.
        void_found: Whether the prediction has void pixels.
    """
    rng = np.random.default_rng(seed)
    ids, labels, crowd = np.zeros((24, 30), np.int64), {}, set()
    names = rng.choice(2**24 - 1, 40, replace=False) + 1
    stuff = THINGS + rng.permutation(CATEGORIES - THINGS)
    for row, label in zip((0, 12), stuff, strict=True):
        if rng.random() < 0.8:
            ids[row : row + 12] = names[row]
            labels[int(names[row])] = int(label)
    for number in range(1, 8):
        label = int(rng.integers(THINGS)) if rng.random() < 0.8 else None  # None is void
        draw_box(ids, 0 if label is None else int(names[number]), rng)
        if label is not None:
            labels[int(names[number])] = label
            if crowds and rng.random() < 0.3:
                crowd.add(int(names[number]))
    found, found_labels = move(ids, rng), dict(labels)
    for number in range(20, 23):
        found_labels[int(names[number])] = int(rng.integers(THINGS))
        draw_box(found, int(names[number]), rng)
    for name, label in labels.items():
        if label < THINGS and rng.random() < 0.2:
            found_labels[name] = int(rng.integers(THINGS))
    if not void_found:
        found[found == 0] = names[30]
        found_labels[int(names[30])] = 0
    return Scene(side(ids, labels, crowd), side(found, found_labels))


def draw_box(ids: np.ndarray, value: int, rng: np.random.Generator) -> None:
    """Paint a random box."""
    top, left = rng.integers(0, 20), rng.integers(0, 26)
    height, width = rng.integers(3, 12, 2)
    ids[top : top + height, left : left + width] = value


def move(ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy, shifted by a pixel or two in places."""
    moved = ids.copy()
    half = np.roll(ids, rng.integers(-2, 3, 2), (0, 1))
    moved[:, 10:] = half[:, 10:]
    return moved


def scores_of(scenes: list[Scene]) -> PanopticScores:
    """The result of the evaluator."""
    evaluator = PanopticEvaluator(CATEGORIES)
    for truth, found in scenes:
        evaluator.update(overlaps(truth.ids, found.ids), truth.segments, found.segments)
    names = [f"class {k}" for k in range(CATEGORIES)]
    return evaluator.compute(names, 10 * np.arange(CATEGORIES), np.arange(CATEGORIES) < THINGS)


def write_side(folder: Path, sides: list[Side]) -> dict[str, Any]:
    """Write PNG files to a folder; returns the contents of the JSON file."""
    folder.mkdir(parents=True, exist_ok=True)
    annotations = []
    for number, (ids, segments) in enumerate(sides):
        write_ids(folder / f"{number}.png", ids)
        entries = [
            {"id": one, "category_id": 10 * label, "iscrowd": int(crowd)}
            for one, label, crowd in zip(*(part.tolist() for part in segments), strict=True)
        ]
        annotations.append(
            {"image_id": number, "file_name": f"{number}.png", "segments_info": entries}
        )
    return {
        "images": [{"id": i, "height": 24, "width": 30} for i in range(len(sides))],
        "annotations": annotations,
        "categories": [
            {"id": 10 * k, "name": f"class {k}", "isthing": int(k < THINGS)}
            for k in range(CATEGORIES)
        ],
    }


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write ids as a PNG file."""
    colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1)
    Image.fromarray(colours.astype(np.uint8)).save(path)
