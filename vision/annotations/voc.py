"""Reading of Pascal VOC's XML files of objects, one per image."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from vision.annotations.columns import whole
from vision.annotations.outlines import MAX_PIXELS
from vision.annotations.xml import only_text, read_xml
from vision.errors import DataError, shown, suggest

CORNERS = ("xmin", "ymin", "xmax", "ymax")
# Pixels by which a corner may lie outside its image, for files that count from 0 instead of 1.
ROUNDING = 1


class Annotation(NamedTuple):
    """Contents of the XML file of an image.

    Attributes:
        size: Height and width in pixels; (0, 0) if they are not known.
        classes: int32 `(M,)`.
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels, the first pixel from 0 to 1.
        difficult: bool `(M,)`, whether an object is marked as hard to recognise.
        dropped: Objects that are left out because their box has no area.
    """

    size: tuple[int, int]
    classes: np.ndarray
    boxes: np.ndarray
    difficult: np.ndarray
    dropped: int


def listed_name(line: str) -> str:
    """The name in a line of a list, which may have blanks; lists of a class append -1, 0 or 1."""
    name, _, mark = line.strip().rpartition(" ")
    return name.rstrip() if name and mark in ("-1", "0", "1") else line.strip()


def read_annotation(
    path: str | os.PathLike[str],
    class_names: Sequence[str],
    report: Callable[[str], Any],
    *,
    clip: bool = False,
    measure: Callable[[], tuple[int, int]] = lambda: (0, 0),
) -> Annotation:
    """Read the objects of an image.

    Corners in the files count pixels from 1 and include the last (the development kit's
    `VOCcode/VOCreadrecxml.m` and its overlap, which adds 1 to each side): `(x1 - 1, y1 - 1, x2,
    y2)` is the same box here. The boxes of an object's parts are skipped.

    Args:
        path: The XML file.
        class_names: Names of the classes, by label.
        report: Called with each problem, with file and object; such objects are left out.
        clip: Whether boxes that reach out of their image are clipped; if not, boxes that do so by
            more than a pixel are problems.
        measure: Returns height and width of the image if the file does not state them; (0, 0) if
            they are unknown.
    """
    classes, boxes, difficult, dropped = [], [], [], 0
    try:
        root = read_xml(path, "annotation")
    except DataError as error:
        report(str(error))
        root = Element("annotation")
    stated = root.find("size")
    size = (0, 0) if stated is None else _size(stated, f"'{path}'", report)
    size = measure() if size == (0, 0) else size
    for number, element in enumerate(root.findall("object"), start=1):
        name = plain_name(only_text(element, "name", f"'{path}', object {number}", report) or "")
        where = f"'{path}', object {number} ({name or 'no name'})"
        if name not in class_names:
            report(
                f"{where}: no class of that name.{suggest(name, class_names)} {_among(class_names)}"
            )
            continue
        box = _box(element, size, clip, where, report)
        mark = only_text(element, "difficult", where, report) or "0"
        if mark not in ("0", "1"):
            report(f"{where}: <difficult> is {shown(mark)}, expected 0 or 1.")
        if box is None or mark not in ("0", "1"):
            continue
        if not (box[2] > box[0] and box[3] > box[1]):
            dropped += 1
            continue
        classes.append(class_names.index(name))
        boxes.append(box)
        difficult.append(mark == "1")
    return Annotation(
        size,
        np.array(classes, dtype=np.int32),
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(difficult, dtype=bool),
        dropped,
    )


def plain_name(name: str) -> str:
    """The name of a class without blanks around it, and with single blanks in it."""
    return " ".join(name.split())


def _number(text: str | None) -> float:
    """A number in ASCII digits.

    Raises:
        ValueError: It is anything else, such as 1_0, which Python takes for 10.
    """
    if text is None or "_" in text or not text.isascii():
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def _size(element: Element, where: str, report: Callable[[str], Any]) -> tuple[int, int]:
    texts = [only_text(element, side, where, report) for side in ("height", "width")]
    try:
        sides = [whole(_number(text)) for text in texts]
    except ValueError:
        sides = [None]
    if any(side is None or side < 0 for side in sides):
        report(f"{where}: <size> has height {texts[0]!r} and width {texts[1]!r}, expected pixels.")
        return 0, 0
    height, width = (side or 0 for side in sides)
    if height * width > MAX_PIXELS:
        report(
            f"{where}: <size> is {width:,} x {height:,} pixels, expected at most {MAX_PIXELS:,} "
            "in all."
        )
        return 0, 0
    return (height, width) if height and width else (0, 0)


def _box(
    element: Element,
    size: tuple[int, int],
    clip: bool,
    where: str,
    report: Callable[[str], Any],
) -> tuple[float, float, float, float] | None:
    """`(x1, y1, x2, y2)` from 0 on, clipped to the image; None if it is invalid."""
    if len(element.findall("bndbox")) > 1:
        report(f"{where}: there are several <bndbox>, expected one.")
        return None
    texts = [element.findtext(f"bndbox/{corner}") for corner in CORNERS]
    try:
        # Not all are integers: some tools write 45.70000076293945.
        left, top, right, bottom = map(_number, texts)
    except ValueError:
        stated = ", ".join(f"{c} {t!r}" for c, t in zip(CORNERS, texts, strict=True))
        report(f"{where}: <bndbox> has {stated}, expected four numbers.")
        return None
    if not all(map(math.isfinite, (left, top, right, bottom))):
        report(f"{where}: <bndbox> {left}, {top}, {right}, {bottom} is not finite.")
        return None
    height, width = size if size != (0, 0) else (math.inf, math.inf)
    out = min(left, top) < 1 - ROUNDING or right > width + ROUNDING or bottom > height + ROUNDING
    if out and not clip:
        image = f"{width} x {height}" if size != (0, 0) else "of unknown size"
        report(
            f"{where}: <bndbox> {left:g}, {top:g}, {right:g}, {bottom:g} is outside the image "
            f"({image}); corners count from 1; clip_boxes: true cuts such boxes."
        )
        return None
    return max(left - 1, 0), max(top - 1, 0), min(right, width), min(bottom, height)


def _among(class_names: Sequence[str]) -> str:
    shown = ", ".join(class_names[:20])
    return f"The classes are {shown}{' and others' if len(class_names) > 20 else ''}."
