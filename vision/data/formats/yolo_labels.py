"""Reading of YOLO labels: a text file for each image, a line for each object."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vision.data.files.finding import IMAGE_SUFFIXES
from vision.data.index.builder import polygon_area
from vision.documents.text import read_text
from vision.errors import DataError

# How far a coordinate may be outside [0, 1] through rounding.
ROUNDING = 1e-4
# Shares of a side, and of the area, below which an object is degenerate.
MIN_SIDE, MIN_AREA = 1e-6, 1e-12
BOX_NUMBERS = 4
MIN_POLYGON_NUMBERS = 6
# Share of a side by which a box may reach out of its image before it is counted.
OUTSIDE = 0.02


def label_path(image: str) -> str:
    """Path of the labels of an image: the last folder `images` becomes `labels`."""
    folders, name = os.path.split(image)
    parts = folders.split(os.sep)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return os.path.join(os.sep.join(parts), f"{os.path.splitext(name)[0]}.txt")


class Labels(NamedTuple):
    """The objects of an image.

    Attributes:
        classes: int32 `(M,)`.
        boxes: float64 `(M, 4)`, `(x1, y1, x2, y2)` in [0, 1].
        polygons: Outline of each object, float64 `(P, 2)` in [0, 1]; None for a box.
        dropped: Objects that are left out: without area, or repeated.
        outside: Number of boxes that reach out of the image by more than rounding.
        as_corners: Number of those that would be inside as `x1 y1 x2 y2`.
    """

    classes: np.ndarray
    boxes: np.ndarray
    polygons: list[np.ndarray | None]
    dropped: dict[str, int]
    outside: int
    as_corners: int


@dataclass(frozen=True, kw_only=True)
class LineFormat:
    """The format of a line of labels.

    Attributes:
        num_classes: Classes are below this number.
        keypoints: Number of values of the keypoints that follow a box (a pose dataset), which are
            not read; 0 if a line is a box or a polygon.
        clip: Whether coordinates up to a side outside the image are clipped to it.
    """

    num_classes: int
    keypoints: int = 0
    clip: bool = False


def read_labels(path: str, lines: LineFormat, report: Callable[[str], Any]) -> Labels:
    """Read the labels of an image.

    A line is `class cx cy w h`, or `class x1 y1 x2 y2 x3 y3 ...` with the corners of a polygon, in
    shares of the image's width and height. Boxes are clipped to the image. In a pose dataset a line
    is `class cx cy w h` and the keypoints, which are left out.

    Args:
        path: The file; an image without one has no objects.
        lines: The format of a line.
        report: Called with each problem, with file and line; such lines are left out.
    """
    classes, boxes, polygons = [], [], []
    seen: set[tuple[float, ...]] = set()
    dropped = {"degenerate": 0, "duplicate": 0}
    outside = as_corners = 0
    for line, words in _lines(path, report):
        numbers = _numbers(words, lines)
        if isinstance(numbers, str):
            report(f"'{path}', line {line}: {numbers}")
            continue
        if numbers in seen:
            dropped["duplicate"] += 1
            continue
        seen.add(numbers)
        box, polygon = _shape(numbers[1 : 1 + BOX_NUMBERS] if lines.keypoints else numbers[1:])
        if _is_degenerate(box, polygon):
            dropped["degenerate"] += 1
            continue
        if polygon is None and _reaches_out(*numbers[1:5]):
            outside += 1
            as_corners += numbers[3] > numbers[1] and numbers[4] > numbers[2]
        classes.append(int(numbers[0]))
        boxes.append(box)
        polygons.append(polygon)
    return Labels(
        np.array(classes, dtype=np.int32),
        np.array(boxes).reshape(-1, 4),
        polygons,
        dropped,
        outside,
        as_corners,
    )


def _lines(path: str, report: Callable[[str], Any]) -> Iterator[tuple[int, list[str]]]:
    if not os.path.lexists(path):
        return  # an image without objects
    try:
        lines = read_text(path, what="label file").splitlines()
    except DataError as error:
        report(str(error))
        return
    for line, content in enumerate(lines, start=1):
        if words := content.split():
            yield line, words


def _numbers(words: list[str], lines: LineFormat) -> tuple[float, ...] | str:
    """Class and coordinates of a line, or what is wrong with it."""
    try:
        numbers = tuple(map(float, words))
    except ValueError:
        numbers = ()
    # Python also accepts 1_0, and digits of other scripts.
    if not numbers or any("_" in word or not word.isascii() for word in words):
        return f"{' '.join(words)[:80]!r} is not a row of numbers."
    label, *coordinates = numbers
    if (fault := _count_fault(len(coordinates), lines.keypoints)) is not None:
        return fault
    if label not in range(lines.num_classes):
        count = lines.num_classes
        return f"class {words[0]}, expected 0 to {count - 1} (`names` has {count})."
    if not all(map(math.isfinite, coordinates)):
        return "a coordinate is not a finite number."
    shares = coordinates[:BOX_NUMBERS] if lines.keypoints else coordinates
    margin = 1 if lines.clip else ROUNDING
    if outside := [x for x in shares if not -margin <= x <= 1 + margin]:
        near = -1 <= outside[0] <= 2  # of a side
        return (
            f"the coordinate {outside[0]:g} is outside [0, 1]: coordinates are shares of the "
            f"image's width and height{'; clip_boxes: true cuts it' if near else ', not pixels'}."
        )
    return numbers


def _count_fault(count: int, keypoints: int) -> str | None:
    """What is wrong with the number of coordinates in a line."""
    if keypoints:
        if count in (BOX_NUMBERS, BOX_NUMBERS + keypoints):
            return None
        return (
            f"{count + 1} numbers, expected 5 (class cx cy w h) and the {keypoints} of the "
            "keypoints (`kpt_shape` in data.yaml)."
        )
    if count == BOX_NUMBERS or (count >= MIN_POLYGON_NUMBERS and count % 2 == 0):
        return None
    return (
        f"{count + 1} numbers, expected 5 (class cx cy w h), or 7, 9, ... (class and the corners "
        "of a polygon). If they are keypoints, data.yaml has to have their `kpt_shape`."
    )


def _reaches_out(x: float, y: float, w: float, h: float) -> bool:
    return min(x - w / 2, y - h / 2) < -OUTSIDE or max(x + w / 2, y + h / 2) > 1 + OUTSIDE


def _shape(numbers: Sequence[float]) -> tuple[tuple[float, ...], np.ndarray | None]:
    """Box within the image, and polygon `(P, 2)` if it is one."""
    # Plain numbers: small arrays would be several times as slow, and there are millions.
    if len(numbers) == BOX_NUMBERS:
        x, y, w, h = numbers
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        return tuple(min(max(corner, 0.0), 1.0) for corner in corners), None
    polygon = np.array(numbers).reshape(-1, 2).clip(0, 1)
    return (*polygon.min(axis=0).tolist(), *polygon.max(axis=0).tolist()), polygon


def _is_degenerate(box: tuple[float, ...], polygon: np.ndarray | None) -> bool:
    left, top, right, bottom = box
    if min(right - left, bottom - top) < MIN_SIDE:
        return True
    return polygon is not None and polygon_area(polygon) < MIN_AREA


def orphans(images: list[str]) -> Iterator[str]:
    """Label files without an image, in the label folders of some images."""
    known = {label_path(image) for image in images}
    for folder in sorted({os.path.dirname(path) for path in known}):
        if not os.path.isdir(folder):
            continue
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            loose = name.endswith(".txt") and path not in known
            if loose and not _has_image(path):
                yield path


def _has_image(label: str) -> bool:
    stem = os.path.splitext(os.path.basename(label))[0]
    parts = os.path.dirname(label).split(os.sep)
    if "labels" in parts:
        parts[len(parts) - 1 - parts[::-1].index("labels")] = "images"
    return any(
        os.path.exists(os.path.join(os.sep.join(parts), stem + end))
        for suffix in IMAGE_SUFFIXES
        for end in (suffix, suffix.upper())
    )
