"""Rooms as S3DIS is handed out: a text file for each object, named by its class.

"3D Semantic Parsing of Large-Scale Indoor Spaces", I. Armeni et al., 2016. Letters: P points.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.data.files.finding import require_folder
from vision.data.formats.cloud_values import FULL, check_places, to_colors
from vision.data.transforms.clouds import Cloud
from vision.documents.text import read_lines
from vision.errors import DataError, listed
from vision.reading import MAX_TABLE_BYTES

ANNOTATIONS = "Annotations"
# Classes of objects that the benchmark counts as another one.
OTHERS = {"stairs": "clutter"}


def read_annotations(room: Path, names: Sequence[str], *, full: float = FULL) -> Cloud:
    """Read the objects of a room.

    Args:
        room: Its folder, with `Annotations/CLASS_NUMBER.txt` of lines `x y z red green blue`.
        names: Name of each class; empty leaves labels out.
        full: As in `vision.data.formats.clouds.read_cloud`.

    Returns:
        Points of type float64 with colours, object by object in the order of the names of their
        files; the label is the index of the class.

    Raises:
        DataError: There are no such files, one is broken, or its name is that of no class.
    """
    folder = room / ANNOTATIONS
    expected = f"Expected {room}/{ANNOTATIONS}/CLASS_NUMBER.txt."
    require_folder(folder, expected)
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise DataError(f"'{folder}' has no text file. {expected}")
    points, colors, labels = [], [], []
    for file in files:
        rows = _read_rows(file)
        points.append(check_places(rows[:, :3], file))
        colors.append(rows[:, 3:])
        if names:
            labels.append(np.full(len(rows), _label(file, names), np.int64))
    colored = to_colors(np.concatenate(colors), sum(map(len, points)), folder, full=full)
    return Cloud(np.concatenate(points), colored, label=np.concatenate(labels) if labels else None)


def _label(file: Path, names: Sequence[str]) -> int:
    name = file.stem.split("_")[0].lower()
    name = OTHERS.get(name, name)
    if name not in names:
        raise DataError(
            f"'{file}' is named after no class: '{name}'. Expected {listed(names, maximum=20)}, "
            "followed by _NUMBER."
        )
    return names.index(name)


def _read_rows(file: Path) -> np.ndarray:
    lines = read_lines(file, max_bytes=MAX_TABLE_BYTES, what="file of points")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a file without lines
            rows = np.loadtxt(lines, dtype=np.float64, comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(
            f"'{file}' has a line that is not six numbers, x y z red green blue: {error}. Correct "
            "it by hand; a few files of S3DIS hold such a line."
        ) from error
    if rows.size and rows.shape[1] != 6:
        raise DataError(
            f"'{file}' has {rows.shape[1]} numbers in a line; expected six: x y z red green blue."
        )
    return rows.reshape(-1, 6)
