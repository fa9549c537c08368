"""KITTI's text of objects: a file per image, a line per object, which is read and written here.

"Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite", Geiger, Lenz and Urtasun,
2012, and the development kit of its object benchmark. A line is 15 fields, and a score as the 16th
in predictions. PyTorch is not needed.

Letters: N objects.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.annotations.coco import problems_error
from vision.documents.text import read_text
from vision.errors import shown, suggest
from vision.reading import MAX_SETTINGS_BYTES

CLASSES = (
    "Car",
    "Van",
    "Truck",
    "Pedestrian",
    "Person_sitting",
    "Cyclist",
    "Tram",
    "Misc",
    "DontCare",
)
# Regions in which objects are not annotated.
DONT_CARE = CLASSES.index("DontCare")
# Alpha of predictions without an orientation.
NO_ORIENTATION = -10.0
FIELDS = (
    *("class", "truncated", "occluded", "alpha", "x1", "y1", "x2", "y2"),
    *("height", "width", "length", "x", "y", "z", "rotation_y", "score"),
)
# Known by these spellings; DontCare has one.
_INDEX = {name.lower(): i for i, name in enumerate(CLASSES) if i != DONT_CARE}
_REMEDY = f"Expected on each line: {' '.join(FIELDS)} (the score in predictions alone)."


class KittiObjects(NamedTuple):
    """The objects of one image, or of several after one another.

    Attributes:
        classes: int64 `(N,)`, index in `CLASSES`.
        truncation: float64 `(N,)`, share outside the image; -1 if unknown.
        occlusion: float64 `(N,)`, 0 visible, 1 partly, 2 largely hidden, 3 unknown; -1 likewise.
        alpha: float64 `(N,)`, angle of observation in radians; `NO_ORIENTATION` for none.
        boxes: float64 `(N, 4)`, `(x1, y1, x2, y2)` in pixels.
        sizes: float64 `(N, 3)`, height, width, length in metres.
        locations: float64 `(N, 3)`, x, y, z of the middle of the bottom, in the frame `CAMERA`.
        rotation: float64 `(N,)`, `rotation_y` in radians.
        scores: float64 `(N,)`; NaN in annotations.
    """

    classes: np.ndarray
    truncation: np.ndarray
    occlusion: np.ndarray
    alpha: np.ndarray
    boxes: np.ndarray
    sizes: np.ndarray
    locations: np.ndarray
    rotation: np.ndarray
    scores: np.ndarray


class ScannedObjects(NamedTuple):
    """The objects of a text, and what is wrong with its other lines.

    Attributes:
        objects: The objects of the lines that can be read.
        lines: int64 `(N,)`, number of the line of each, from 1.
        problems: A message for each other line, which begins with its number.
    """

    objects: KittiObjects
    lines: np.ndarray
    problems: list[str]


def read_objects(path: Path, *, scored: bool) -> KittiObjects:
    """Read a file of objects.

    Args:
        path: The file; an empty one has no objects.
        scored: Whether lines have a score, as predictions have.

    Raises:
        DataError: The file is absent or is no text, or a line has another number of fields, an
            unknown class, or a value that is not a finite number; the message has the lines.
    """
    what = "file of predictions" if scored else "label file"
    text = read_text(path, max_bytes=MAX_SETTINGS_BYTES, what=what)
    return parse_objects(text, f"{what} '{path}'", scored=scored)


def parse_objects(text: str, where: str, *, scored: bool) -> KittiObjects:
    """Read the text of a file of objects; as `read_objects`.

    Args:
        text: Its lines; empty ones are left out.
        where: What messages call it.
        scored: Whether lines have a score.
    """
    found = scan_objects(text, scored=scored)
    if found.problems:
        raise problems_error(where, found.problems, _REMEDY)
    return found.objects


def scan_objects(text: str, *, scored: bool) -> ScannedObjects:
    """Read the text of a file of objects, and collect what is wrong; as `parse_objects`."""
    names: list[int] = []
    rows: list[list[float]] = []
    lines: list[int] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        index = class_index(fields[0])
        if fault := _fault(fields, scored):
            problems.append(f"line {number}: {fault}")
        elif index is None:
            known = suggest(fields[0], CLASSES) or f" KITTI has {', '.join(CLASSES)}."
            problems.append(
                f"line {number}: class {shown(fields[0])} is not one of KITTI's.{known}"
            )
        else:
            names.append(index)
            rows.append([float(field) for field in fields[1:]])
            lines.append(number)
    numbers = np.array(rows, dtype=np.float64).reshape(len(rows), 14 + scored)
    objects = objects_from_rows(np.array(names, dtype=np.int64), numbers)
    return ScannedObjects(objects, np.array(lines, dtype=np.int64), problems)


def write_objects(objects: KittiObjects, *, decimals: int = 4) -> str:
    """The text of a file of objects; the inverse of `parse_objects` up to rounding.

    Args:
        objects: The objects; their scores are written unless they are NaN.
        decimals: Decimals of every number but the occlusion; KITTI's own files have 2.
    """
    lines = []
    for i, index in enumerate(objects.classes.tolist()):
        numbers = [
            objects.alpha[i],
            *objects.boxes[i],
            *objects.sizes[i],
            *objects.locations[i],
            objects.rotation[i],
        ]
        if not math.isnan(objects.scores[i]):
            numbers.append(objects.scores[i])
        begin = f"{CLASSES[index]} {objects.truncation[i]:.{decimals}f} {objects.occlusion[i]:.0f}"
        lines.append(" ".join([begin, *(f"{number:.{decimals}f}" for number in numbers)]) + "\n")
    return "".join(lines)


def class_index(name: str) -> int | None:
    """Index of a class in `CLASSES` by its name, in small or large letters; None for no class."""
    return DONT_CARE if name == CLASSES[DONT_CARE] else _INDEX.get(name.lower())


def objects_from_rows(classes: np.ndarray, numbers: np.ndarray) -> KittiObjects:
    """Make objects of the numbers of lines.

    Args:
        classes: `(M,)`, index of each in `CLASSES`.
        numbers: float64 `(M, 14)`, the other `FIELDS` without the score, and scores are NaN; or
            `(M, 15)` with it.
    """
    scored = numbers.shape[1] == len(FIELDS) - 1
    return KittiObjects(
        classes=classes.astype(np.int64),
        truncation=numbers[:, 0],
        occlusion=numbers[:, 1],
        alpha=numbers[:, 2],
        boxes=numbers[:, 3:7],
        sizes=numbers[:, 7:10],
        locations=numbers[:, 10:13],
        rotation=numbers[:, 13],
        scores=numbers[:, 14] if scored else np.full(len(numbers), np.nan),
    )


def _fault(fields: list[str], scored: bool) -> str | None:
    """What is wrong with the numbers of a line; None if nothing is."""
    expected = len(FIELDS) if scored else len(FIELDS) - 1
    if len(fields) != expected:
        hint = ""
        if len(fields) == len(FIELDS) - 1 and scored:
            hint = "; the score is missing, as in an annotation"
        elif len(fields) == len(FIELDS) and not scored:
            hint = "; it ends in a score, as a prediction"
        return f"{len(fields)} fields, expected {expected}{hint}"
    for name, field in zip(FIELDS[1:], fields[1:], strict=False):
        if not _is_finite(field):
            return f"{name} is {shown(field)}, expected a finite number"
    return None


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
