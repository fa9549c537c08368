"""The files of Pascal VOC: lists of images, and the XML file of an image's objects."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from vision.data.files import require_folder
from vision.documents.text import read_text
from vision.errors import DataError, suggest
from vision.reading import MAX_SETTINGS_BYTES, read_file

# "The PASCAL Visual Object Classes (VOC) Challenge", Everingham et al., 2010, table 1, in the
# alphabetical order of the development kit.
CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
EXPECTED = (
    "Expected ROOT/VOC2007/{JPEGImages/*.jpg,Annotations/*.xml,ImageSets/Main/{trainval,test}.txt} "
    "and VOC2012 likewise; ROOT may be the folder above VOCdevkit."
)
CORNERS = ("xmin", "ymin", "xmax", "ymax")
# Pixels by which a corner may lie outside its image: that of whoever counts from 0, not 1.
ROUNDING = 1


class Annotation(NamedTuple):
    """What an XML file says of its image.

    Attributes:
        size: Height and width in pixels; (0, 0) if the file does not say.
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


def devkit_folder(root: Path, *, expected: str = EXPECTED) -> Path:
    """The folder of the years: `root`, or `VOCdevkit` in it.

    Args:
        root: Where it is looked for.
        expected: The expected tree, to end errors with.

    Raises:
        DataError: There is no such folder.
    """
    require_folder(root, expected)
    inside = root / "VOCdevkit"
    return inside if inside.is_dir() else root


def read_names(
    folder: Path, image_set: str, *, task: str = "Main", expected: str = EXPECTED
) -> list[str]:
    """Names, without suffix, of the images of a set.

    Args:
        folder: The folder of a year.
        image_set: Such as `"trainval"`.
        task: Folder of the lists of a task: `"Main"` or `"Segmentation"`.
        expected: The expected tree, to end errors with.

    Raises:
        DataError: The list is absent, empty or no text.
    """
    lists = folder / "ImageSets" / task
    require_folder(lists, expected)
    path = lists / f"{image_set}.txt"
    if not path.is_file():
        # The folder also has a list of each class, such as cat_train.txt.
        others = [other.stem for other in sorted(lists.glob("*.txt")) if "_" not in other.stem]
        raise DataError(
            f"there is no image set '{path}'; {lists} has {', '.join(others) or 'none'}."
            f"{suggest(image_set, others)} {expected}"
        )
    lines = read_text(path, what="image set").splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    if not names:
        raise DataError(f"the image set '{path}' is empty.")
    return names


def read_annotation(
    path: str | os.PathLike[str], class_names: Sequence[str], report: Callable[[str], Any]
) -> Annotation:
    """Read the objects of an image.

    Corners in the files count pixels from 1 and include the last (the development kit's
    `VOCcode/VOCreadrecxml.m` and its overlap, which adds 1 to each side): `(x1 - 1, y1 - 1, x2,
    y2)` is the same box here. The boxes of an object's parts are passed over.

    Args:
        path: The XML file.
        class_names: Names of the classes, by label.
        report: Gets what is wrong, with file and object; such objects are left out.
    """
    size, classes, boxes, difficult, dropped = (0, 0), [], [], [], 0
    try:
        root = parse_xml(path)
    except DataError as error:
        report(str(error))
        root = Element("annotation")
    if (stated := root.find("size")) is not None:
        size = _size(stated, f"'{path}'", report)
    for number, element in enumerate(root.findall("object"), start=1):
        name = (element.findtext("name") or "").strip()
        where = f"'{path}', object {number} ({name or 'no name'})"
        if name not in class_names:
            report(
                f"{where}: no class of that name.{suggest(name, class_names)} {_among(class_names)}"
            )
            continue
        box = _box(element, size, where, report)
        if box is None:
            continue
        if not (box[2] > box[0] and box[3] > box[1]):
            dropped += 1
            continue
        classes.append(class_names.index(name))
        boxes.append(box)
        difficult.append((element.findtext("difficult") or "0").strip() == "1")
    return Annotation(
        size,
        np.array(classes, dtype=np.int32),
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(difficult, dtype=bool),
        dropped,
    )


def parse_xml(path: str | os.PathLike[str]) -> Element:
    """Parse an XML file that declares no document type: entities in one could fill the memory.

    Raises:
        DataError: The file is absent, no XML, has a document type, or holds no `<annotation>`.
    """
    builder = TreeBuilder()

    def refuse(*_: object) -> None:
        raise DataError(
            f"'{path}' declares a document type (<!DOCTYPE ...>), which annotations have no use "
            "for and which is not read: its entities can stand for anything. Delete it."
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(read_file(path, max_bytes=MAX_SETTINGS_BYTES, what="annotation"), True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"'{path}' is no whole XML file: {error}; copy it again.") from error
    root = builder.close()
    if root.tag != "annotation":
        raise DataError(f"'{path}' holds <{root.tag}>, expected <annotation>.")
    return root


def _size(element: Element, where: str, report: Callable[[str], Any]) -> tuple[int, int]:
    texts = [element.findtext(side) for side in ("height", "width")]
    try:
        height, width = (int(text or "") for text in texts)
    except ValueError:
        height = width = -1
    if min(height, width) < 0:
        report(f"{where}: <size> has height {texts[0]!r} and width {texts[1]!r}, expected pixels.")
        return 0, 0
    return (height, width) if height and width else (0, 0)


def _box(
    element: Element, size: tuple[int, int], where: str, report: Callable[[str], Any]
) -> tuple[float, float, float, float] | None:
    """`(x1, y1, x2, y2)` from 0 on, cut to the image; None if it is not as it should be."""
    texts = [element.findtext(f"bndbox/{corner}") for corner in CORNERS]
    try:
        # Not all are integers: some tools write 45.70000076293945.
        left, top, right, bottom = (float(text or "") for text in texts)
    except ValueError:
        stated = ", ".join(f"{c} {t!r}" for c, t in zip(CORNERS, texts, strict=True))
        report(f"{where}: <bndbox> has {stated}, expected four numbers.")
        return None
    if not all(map(math.isfinite, (left, top, right, bottom))):
        report(f"{where}: <bndbox> {left}, {top}, {right}, {bottom} is not finite.")
        return None
    height, width = size if size != (0, 0) else (math.inf, math.inf)
    if min(left, top) < 1 - ROUNDING or right > width + ROUNDING or bottom > height + ROUNDING:
        image = f"{width} x {height}" if size != (0, 0) else "of unknown size"
        report(
            f"{where}: <bndbox> {left:g}, {top:g}, {right:g}, {bottom:g} is outside the image "
            f"({image}); corners count from 1."
        )
        return None
    return max(left - 1, 0), max(top - 1, 0), min(right, width), min(bottom, height)


def _among(class_names: Sequence[str]) -> str:
    shown = ", ".join(class_names[:20])
    return f"The classes are {shown}{' and others' if len(class_names) > 20 else ''}."
