"""A database of objects in a folder: `points.npy`, and an index beside it, `objects.json`."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.kitti_levels import LEVELS
from vision.contracts.boxes3d import BOX
from vision.data.files.mapped_arrays import map_array
from vision.data.index.object_database import ObjectDatabase
from vision.documents.json_text import read_json
from vision.documents.json_writing import to_json
from vision.errors import DataError
from vision.files import replace_file, sha256_of, write_text
from vision.program import command
from vision.reading import MAX_TABLE_BYTES

POINTS, INDEX = "points.npy", "objects.json"
VERSION = 1
LEVEL_NAMES = (*(level.name for level in LEVELS), "beyond")


class StoredObject(NamedTuple):
    """An object of a sweep.

    Attributes:
        class_name: Its class.
        sweep: Name of the sweep.
        level: Index in `LEVELS`, or their number beyond all of them.
        box: float64 `(7,)` in the frame `LIDAR`.
        points: float32 `(P, C)` in that frame.
    """

    class_name: str
    sweep: str
    level: int
    box: np.ndarray
    points: np.ndarray


def write_database(
    folder: Path,
    objects: Iterable[StoredObject],
    class_names: Sequence[str],
    about: Mapping[str, Any],
) -> dict[str, int]:
    """Write a database; the same objects make the same files.

    The index is written last. It has the digest of the points, so that a database that was not
    finished is noticed.

    Args:
        folder: The folder, which is made; a database that is there is replaced.
        objects: The objects.
        class_names: Names of the classes.
        about: What else the index says, plain values.

    Returns:
        Number of objects of each class.

    Raises:
        DataError: There is no object.
        OSError: A file cannot be written.
    """
    rows, parts = [], []
    counts = dict.fromkeys(class_names, 0)
    for one in objects:
        counts[one.class_name] += 1
        parts.append(one.points.astype("<f4"))
        rows.append(
            {
                "class": one.class_name,
                "sweep": one.sweep,
                "level": LEVEL_NAMES[one.level],
                "box": one.box.tolist(),
                "points": len(one.points),
            }
        )
    if not parts:
        raise DataError(
            f"no object of {', '.join(class_names)} has enough points: there is nothing to write "
            f"to '{folder}'. Take another split, or fewer points for an object."
        )
    points = np.concatenate(parts)
    buffer = io.BytesIO()
    np.save(buffer, points)
    replace_file(folder / POINTS, lambda path: path.write_bytes(buffer.getbuffer()))
    index = {
        "version": VERSION,
        **about,
        "classes": [*class_names],
        "numbers": points.shape[1],
        "sha256": sha256_of(folder / POINTS),
        "objects": rows,
    }
    write_text(folder / INDEX, f"{to_json(index, compact=True)}\n")
    return counts


def read_database(folder: Path, *, numbers: int) -> ObjectDatabase:
    """Read a database; its points are mapped into memory.

    Args:
        folder: As `write_database` wrote it.
        numbers: Numbers of a point in the sweeps that objects are pasted into.

    Raises:
        DataError: A file is absent or broken, or the two do not fit each other or the sweeps.
    """
    path = folder / INDEX
    again = f"Make it again with `{command('prepare-kitti-database')}`."
    if not path.is_file():
        raise DataError(f"there is no database of objects '{path}'. {again}")
    index = read_json(path, max_bytes=MAX_TABLE_BYTES, what="index of a database of objects")
    names, rows = _parts(index, path, again)
    if index.get("numbers") != numbers:
        raise DataError(
            f"the points of the database '{path}' have {index.get('numbers')} numbers, expected "
            f"those of the sweeps, {numbers} (data.numbers). {again}"
        )
    if not (folder / POINTS).is_file() or sha256_of(folder / POINTS) != index.get("sha256"):
        raise DataError(
            f"'{folder / POINTS}' is not the array that '{path}' was written with: it is absent, "
            f"damaged, or that of another database. {again}"
        )
    points = map_array(folder / POINTS)
    columns = [_object(row, number, names, path, again) for number, row in enumerate(rows)]
    starts = np.cumsum([0, *(one[3] for one in columns)], dtype=np.int64)
    if points.shape != (starts[-1], numbers):
        raise DataError(
            f"the objects of '{path}' have {starts[-1]:,} points of {numbers} numbers, but "
            f"'{folder / POINTS}' is {points.shape}. {again}"
        )
    return ObjectDatabase(
        class_names=tuple(names),
        labels=np.array([one[0] for one in columns], dtype=np.int64),
        levels=np.array([one[1] for one in columns], dtype=np.int64),
        boxes3d=np.array([one[2] for one in columns], dtype=np.float64).reshape(-1, BOX),
        starts=starts,
        points=points,
    )


def _parts(index: Any, path: Path, again: str) -> tuple[list[str], list[Any]]:
    """The classes and the rows of an index."""
    known = index if isinstance(index, dict) else {}
    if known.get("version") != VERSION:
        raise DataError(
            f"'{path}' is no index of a database of objects of version {VERSION}. {again}"
        )
    names, rows = known.get("classes"), known.get("objects")
    if not isinstance(names, list) or not isinstance(rows, list) or not rows:
        raise DataError(f"the index '{path}' lacks its classes or its objects. {again}")
    return names, rows


def _object(
    row: Any, number: int, names: list[str], path: Path, again: str
) -> tuple[int, int, list[float], int]:
    """Label, level, box and number of points of a row."""
    try:
        box = [float(value) for value in row["box"]]
        found = names.index(row["class"]), LEVEL_NAMES.index(row["level"]), box, int(row["points"])
        if len(box) != BOX or found[3] < 1:
            raise ValueError(f"{len(box)} numbers of a box, {found[3]} points")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"object {number} of the index '{path}' has no class, level, box of {BOX} numbers or "
            f"number of points that is known: {error}. {again}"
        ) from error
    return found
