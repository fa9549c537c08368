"""Read annotation files in COCO's panoptic format into the arrays of a dataset.

The contents are checked by `vision.annotations.panoptic`, which evaluation shares.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import problems_error
from vision.annotations.coco_tables import collector_paused, load_json
from vision.annotations.columns import identity
from vision.annotations.panoptic import PanopticTables, read_tables
from vision.data.files.array_cache import cached_arrays
from vision.data.files.finding import PathList, read_bytes
from vision.data.index.panoptic import PanopticIndex, SegmentTable
from vision.data.index.pieces import take_pieces
from vision.errors import DataError
from vision.program import command

# Version of the arrays made from a file: a cache of another version is not read.
VERSION = 1

# From the id of an image and its `file_name`, the file below the folder of the images.
ImageName = Callable[[str, str], str]


@dataclass(frozen=True, kw_only=True)
class PanopticAnnotations:
    """The contents of an annotation file.

    Attributes:
        index: The images, by ascending id, with their segments.
        class_names: Name of each class, by label.
        category_ids: int64 `(K,)`, the file's own number of each class, ascending.
        things: bool `(K,)`, which classes are things.
        colors: uint8 `(K, 3)` RGB colour of each class; None where the file does not state them.
    """

    index: PanopticIndex
    class_names: tuple[str, ...]
    category_ids: np.ndarray
    things: np.ndarray
    colors: np.ndarray | None


class CheckedPanoptic(NamedTuple):
    """Result of the check of a file in COCO's panoptic format.

    Attributes:
        problems: A line for each problem, with the id of the entry.
        readable: The images and segments without a problem; None if the file cannot be read.
        whole: int64 `(n,)`, the images in its index of which no segment has a problem.
    """

    problems: list[str]
    readable: PanopticAnnotations | None
    whole: np.ndarray


def read_panoptic(
    path: Path,
    images: Path,
    masks: Path,
    *,
    image_name: ImageName = lambda number, file_name: file_name,
    hidden: bool = False,
    cache_dir: Path | None = None,
    check: str = "COCOPanoptic --root FOLDER",
) -> PanopticAnnotations:
    """Read a file in COCO's panoptic format.

    Args:
        path: The JSON file.
        images: The folder of the images.
        masks: The folder of the PNG files.
        image_name: The file of an image.
        hidden: As in `PanopticIndex`.
        cache_dir: Folder of the cache of the arrays; None does not cache them.
        check: Arguments of the command check-dataset, for the message of an error.

    Raises:
        DataError: The file is absent, is not JSON, or has problems; names the first few, with ids.
    """
    make = partial(_parse_whole, path=path, check=check)
    arrays = cached_arrays(path, make, version=f"panoptic-{VERSION}", folder=cache_dir)
    return _with_paths(arrays, images, masks, image_name, hidden)


def check_panoptic(
    path: Path,
    images: Path,
    masks: Path,
    *,
    image_name: ImageName = lambda number, file_name: file_name,
    hidden: bool = False,
) -> CheckedPanoptic:
    """Find all problems of a file in COCO's panoptic format; the arguments are as above."""
    problems: list[str] = []
    try:
        arrays = _parse(read_bytes(path), path, problems)
    except DataError as error:
        return CheckedPanoptic([str(error)], None, np.zeros(0, dtype=np.int64))
    readable = _with_paths(arrays, images, masks, image_name, hidden)
    found = [f"'{path}': {problem}" for problem in problems]
    whole = np.flatnonzero(arrays["listed"] == np.diff(arrays["starts"]))
    return CheckedPanoptic(found, readable, whole)


def _with_paths(
    arrays: Mapping[str, np.ndarray],
    images: Path,
    masks: Path,
    image_name: ImageName,
    hidden: bool,
) -> PanopticAnnotations:
    """The annotations from the arrays of a file and the folders of the files that it names."""
    numbers, names, files, classes = (
        PathList.from_arrays(arrays[name], arrays[f"{name}_starts"]) for name in _TEXTS
    )
    index = PanopticIndex(
        images=PathList(
            f"{images}/{image_name(number, name)}"
            for number, name in zip(numbers, names, strict=True)
        ),
        masks=PathList(f"{masks}/{name}" for name in files),
        names=numbers,
        sizes=arrays["sizes"],
        table=SegmentTable(**{name: arrays[name] for name in ("starts", "ids", "labels", "crowd")}),
        hidden=hidden,
    )
    return PanopticAnnotations(
        index=index,
        class_names=tuple(classes),
        category_ids=arrays["category_ids"],
        things=arrays["things"],
        colors=arrays["colors"] if len(arrays["colors"]) else None,
    )


def _parse_whole(data: bytes, *, path: Path, check: str) -> dict[str, np.ndarray]:
    problems: list[str] = []
    arrays = _parse(data, path, problems)
    if problems:
        raise problems_error(
            f"'{path}'",
            problems,
            f"`{command('check-dataset')} {check}` lists all. Fix the file, or remove these "
            "entries from it.",
        )
    return arrays


def _parse(data: bytes, path: Path, problems: list[str]) -> dict[str, np.ndarray]:
    """The arrays of a file, without the entries that have a problem.

    Raises:
        DataError: It is not JSON or does not have the form of such a file.
    """
    with collector_paused():
        contents = load_json(data, path)
        tables = read_tables(contents, f"'{path}'", problems, files=True)
        rows = contents.get("categories")
        colors = _colors(rows if isinstance(rows, list) else [], tables)
        del contents, rows
    images, segments = tables.images, tables.segments
    for number in np.setdiff1d(images.ids, segments.images).tolist():
        problems.append(
            f"image {number}: it has no annotation; add one (with an empty 'segments_info' if "
            "nothing is labelled), or remove the image"
        )
    problems += _shared_files(tables)
    known = np.isin(segments.images, images.ids)
    order = np.flatnonzero(known)[np.argsort(segments.images[known], kind="stable")]
    places = np.searchsorted(images.ids, segments.images[order])
    starts, rows_of = take_pieces(segments.starts, order)
    texts = (
        [str(number) for number in segments.images[order].tolist()],
        [images.names[place] for place in places.tolist()],
        [segments.names[place] for place in order.tolist()],
        tables.categories.names,
    )
    arrays = {
        "sizes": images.sizes[places].astype(np.int32),
        "listed": segments.listed[order],
        "starts": starts,
        "ids": segments.ids[rows_of].astype(np.int32),
        "labels": segments.labels[rows_of].astype(np.int32),
        "crowd": segments.crowd[rows_of],
        "category_ids": tables.categories.ids,
        "things": tables.things,
        "colors": colors,
    }
    for name, values in zip(_TEXTS, texts, strict=True):
        arrays[name], arrays[f"{name}_starts"] = PathList(values).arrays()
    return arrays


def _shared_files(tables: PanopticTables) -> list[str]:
    """A line for each PNG file that several annotations name."""
    owners: dict[str, Any] = {}
    found = []
    for number, name in zip(tables.segments.images.tolist(), tables.segments.names, strict=True):
        if owners.setdefault(name, number) != number:
            found.append(
                f"the annotations of images {owners[name]} and {number} have the same file '{name}'"
            )
    return found


def _colors(rows: list[Any], tables: PanopticTables) -> np.ndarray:
    """The colours of the categories, uint8 `(K, 3)`; empty if one states none."""
    by_id: dict[int | None, np.ndarray] = {}
    for row in rows:
        color = row.get("color") if isinstance(row, Mapping) else None
        if _is_color(color):
            by_id[identity(row.get("id"))] = np.array(color, dtype=np.uint8)
    ids = tables.categories.ids.tolist()
    if not all(number in by_id for number in ids):
        return np.zeros((0, 3), dtype=np.uint8)
    return np.array([by_id[number] for number in ids], dtype=np.uint8).reshape(-1, 3)


def _is_color(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    return all(type(part) is int and 0 <= part <= 255 for part in value)


# The lists of texts among the arrays.
_TEXTS = ("image_ids", "image_files", "mask_files", "class_names")
