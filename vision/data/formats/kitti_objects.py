"""Files of KITTI's object benchmark: lists of images, labels and calibrations, as arrays."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vision.annotations.kitti import CLASSES, FIELDS, KittiObjects, scan_objects
from vision.annotations.outlines import starts_of
from vision.data.files.finding import require_folder
from vision.data.formats.projections import read_projection
from vision.data.index.boxes3d import Boxes3DTable
from vision.documents.text import read_lines, read_text
from vision.errors import DataError
from vision.ops.boxes3d import from_kitti
from vision.reading import MAX_SETTINGS_BYTES, user_path

_FIELDS = f"Expected {' '.join(FIELDS[:-1])}. Correct the line, or remove it."
# Folder of the lists.
LISTS = "ImageSets"
# Of the learned classes; the others may lack numbers, as regions do.
_CHECKED = ("Pedestrian", "Car", "Cyclist")


class KittiFiles(NamedTuple):
    """Files of one image.

    Attributes:
        image: Its path.
        calibration: That of its calibration.
        label: That of its label file; None where there is none.
    """

    image: str
    calibration: Path
    label: Path | None


class KittiScenes(NamedTuple):
    """What could be read of some images.

    Attributes:
        images: Path of each image.
        cameras: float64 `(N, 3, 4)`, projection of each.
        objects: Their objects; None if they have no labels.
        problems: A message for everything that could not be read; its image is left out.
    """

    images: list[str]
    cameras: np.ndarray
    objects: Boxes3DTable | None
    problems: list[str]


def read_names(path: Path) -> list[str]:
    """Read a list of images, such as `ImageSets/train.txt`.

    Raises:
        DataError: The file is absent or empty, or a line is no name of a file, or is there twice;
            the message has the line.
    """
    lines = read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="list of images")
    first: dict[str, int] = {}
    for number, name in enumerate(lines, start=1):
        if len(name.split()) != 1 or Path(name).name != name:
            raise DataError(
                f"list of images '{path}', entry {number}, is {name[:60]!r}; expected the name of "
                "an image without its suffix, such as 000123."
            )
        if name in first:
            raise DataError(
                f"list of images '{path}' has {name!r} twice, in entries {first[name]} and "
                f"{number}. Remove one."
            )
        first[name] = number
    if not lines:
        raise DataError(f"list of images '{path}' is empty; expected a name in each line.")
    return lines


def read_scenes(files: Iterable[KittiFiles]) -> KittiScenes:
    """Read calibrations and labels of images, and collect all that is wrong.

    Args:
        files: Those of each image; all have labels, or none.
    """
    images, cameras, read, problems = [], [], [], []
    labelled = False
    for one in files:
        found: list[str] = []
        camera, objects = None, None
        try:
            require_file(one.calibration, "calibration")
            camera = read_projection(one.calibration)
        except DataError as error:
            found.append(f"image '{one.image}': {error}")
        if one.label is not None:
            labelled = True
            objects = read_label(one.label, f"image '{one.image}'", found)
        problems += found
        if not found and camera is not None:
            images.append(one.image)
            cameras.append(camera)
            read.append(objects)
    known = [objects for objects in read if objects is not None]
    return KittiScenes(
        images,
        np.array(cameras, dtype=np.float64).reshape(-1, 3, 4),
        join_objects(known) if labelled else None,
        problems,
    )


def split_names(root: Path, given: str, expected: str) -> list[str]:
    """The names of the images of a split.

    Args:
        root: The folder of `ImageSets`.
        given: Name of a list in it, or the path of one, which ends in `.txt`.
        expected: The expected tree, for the end of errors.

    Raises:
        DataError: The list is absent or wrong.
    """
    if given.endswith(".txt"):
        return read_names(user_path(given))
    require_folder(root / LISTS, expected)
    return read_names(root / LISTS / f"{given}.txt")


def testing_names(root: Path, known: Iterable[str]) -> list[str]:
    """The names of the testing images: those of their list, or all that are known."""
    path = root / LISTS / "test.txt"
    return read_names(path) if path.is_file() else [*known]


def absent_files(
    names: Sequence[str], known: Mapping[str, str], place: str, what: str = "image"
) -> list[str]:
    """A message for each name that no image or sweep has.

    Args:
        names: Listed names.
        known: Path of each image, by its name.
        place: Where one is expected, with `{}` for its name.
        what: What it is.
    """
    return [
        f"there is no {what} '{place.format(name)}', which is listed. Copy it there, or remove its "
        "name from the list."
        for name in names
        if name not in known
    ]


def join_objects(objects: Sequence[KittiObjects]) -> Boxes3DTable:
    """The objects of images as a table; names are numbered as in `annotations.kitti.CLASSES`."""
    empty = scan_objects("", scored=False).objects
    columns = [np.concatenate(parts) for parts in zip(empty, *objects, strict=True)]
    joined = KittiObjects(*columns)
    numbers = np.concatenate([joined.sizes, joined.locations, joined.rotation[:, None]], axis=1)
    return Boxes3DTable(
        starts=starts_of([len(one.classes) for one in objects]),
        names=joined.classes.astype(np.int32),
        boxes3d=from_kitti(torch.from_numpy(numbers)).numpy(),
        boxes=joined.boxes,
        alpha=joined.alpha,
        truncation=joined.truncation,
        occlusion=joined.occlusion.astype(np.int64),
    )


def require_file(path: Path, what: str) -> None:
    """Raise an error for an absent file; files of other images, which are near, are no help.

    Raises:
        DataError: It is absent.
    """
    if not os.path.lexists(path):
        raise DataError(
            f"there is no {what} '{path}'. Copy it there, or leave the image out of the list."
        )


def read_label(
    path: Path, name: str, problems: list[str], *, all_around: bool = False
) -> KittiObjects | None:
    """Read the objects of an image or a sweep.

    Args:
        path: The label file.
        name: What messages call the image, such as "image '000000.png'".
        problems: Takes a message for everything that is wrong.
        all_around: Whether objects may be where the camera does not see them, without 2-D boxes.

    Returns:
        The objects of the lines that are whole; None if the file cannot be read.
    """
    try:
        require_file(path, "label file")
        text = read_text(path, max_bytes=MAX_SETTINGS_BYTES, what="label file")
    except DataError as error:
        problems.append(f"{name}: {error}")
        return None
    scanned = scan_objects(text, scored=False)
    # Messages about a class are whole.
    faults = [fault if fault[-1] in ".?" else f"{fault}. {_FIELDS}" for fault in scanned.problems]
    for row, line in enumerate(scanned.lines.tolist()):
        if fault := _fault(scanned.objects, row, all_around=all_around):
            faults.append(f"line {line}: {fault}")
    problems += [f"label file '{path}', {fault}" for fault in faults]
    return scanned.objects


def _fault(objects: KittiObjects, row: int, *, all_around: bool) -> str | None:
    """What is impossible in an object of a learned class; None if nothing is."""
    name = CLASSES[objects.classes[row]]
    if name not in _CHECKED:
        return None
    height, width, length = objects.sizes[row].tolist()
    if min(height, width, length) <= 0:
        return (
            f"height, width and length of the {name} are {height:g}, {width:g} and {length:g}, "
            "expected metres above 0. Annotate it again, or remove the line."
        )
    if all_around:
        return None
    x1, y1, x2, y2 = objects.boxes[row].tolist()
    if x2 <= x1 or y2 <= y1:
        return (
            f"the 2-D box of the {name} is {x1:g} {y1:g} {x2:g} {y2:g}, expected x1 < x2 and "
            "y1 < y2 in pixels. Annotate it again, or remove the line."
        )
    z = objects.locations[row, 2]
    if z + np.hypot(length, width) / 2 <= 0:
        return (
            f"the {name} is behind the camera: its z is {z:g} m, expected metres in front of it. "
            "Check the frame of the labels (x right, y down, z forward), or remove the line."
        )
    return None
