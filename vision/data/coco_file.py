"""Read annotation files in COCO's format into arrays.

The format: "Microsoft COCO: Common Objects in Context", Lin et al., 2014, arXiv 1405.0312, and
https://cocodataset.org/#format-data. LVIS ("LVIS: A Dataset for Large Vocabulary Instance
Segmentation", Gupta et al., 2019, arXiv 1908.03195) is the same but for the names of the images.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.data.coco_json import (
    Tables,
    check_unique,
    collector_paused,
    complete,
    read_tables,
    whole_numbers,
)
from vision.data.coco_segments import pack_segmentations, shown
from vision.data.detection_index import DetectionIndex
from vision.data.files import PathList, read_bytes
from vision.data.index_cache import cached_arrays
from vision.data.segments import Segments, starts_of
from vision.errors import DataError

logger = logging.getLogger(__name__)

# Of what is made of a file's contents: a cache of another version is not read.
VERSION = 1
# Boxes of COCO itself reach past the edge by a fraction of a pixel.
TOLERANCE_PX = 1.0
LEAST_SIDE_PX = 1.0
# What is gone past, and counted.
DROPPED = (
    "dropped %s boxes without width or height of '%s'",
    "dropped %s boxes narrower or lower than 1 pixel (within the image) of '%s'",
    "%s objects have no mask, and others do, in '%s'",
)


class _Images(NamedTuple):
    ids: np.ndarray  # int64 (N,), ascending
    sizes: np.ndarray  # int64 (N, 2), height and width
    names: list[str]


class _Categories(NamedTuple):
    ids: np.ndarray  # int64 (K,), ascending
    names: list[str]


class _Boxes(NamedTuple):
    corners: np.ndarray  # float64 (M, 4), clipped to the image
    kept: np.ndarray  # bool (M,)


def read_coco(
    path: Path,
    folder: Path,
    *,
    masks: bool = True,
    annotated: bool = True,
    cache_dir: Path | None = None,
    check: str = "--root FOLDER",
) -> DetectionIndex:
    """Read a file in COCO's format.

    Images come by ascending id, the objects of each by ascending id, and labels number the
    categories by ascending id. Boxes without extent, or of less than a pixel within the image, are
    left out with a warning that counts them. A missing `area` is that of the box; a missing
    `iscrowd` is 0.

    Args:
        path: The JSON file.
        folder: The folder of the images. Where entries have no `file_name` (LVIS), the last two
            parts of `coco_url`, such as `train2017/000000391895.jpg`, are looked for in it, or
            beside it if it is `train2017` itself.
        masks: Whether to read the segmentations.
        annotated: Whether the file has to have annotations; to predict it does not.
        cache_dir: Where to keep the arrays for the next time; None does not keep them.
        check: Options of tools/check_dataset.py, for the message of an error.

    Raises:
        DataError: The file is absent, no JSON, or has problems: the first few are told, with ids.
    """
    make = partial(_parse_whole, path=path, check=check)
    arrays = cached_arrays(path, make, version=f"coco-{VERSION}", folder=cache_dir)
    if annotated and not arrays["annotated"]:
        raise DataError(
            f"'{path}' has no 'annotations'. Such a file can be predicted only "
            "(predict_annotations); expected one as instances_val2017.json."
        )
    for text, count in zip(DROPPED, arrays["dropped"].tolist(), strict=True):
        if count:
            logger.warning(text, f"{count:,}", path)
    index = DetectionIndex.from_arrays(dict(arrays), _root_of(folder, arrays))
    return index if masks or not index.has_masks else index.without_masks()


def coco_problems(path: Path, folder: Path | None = None) -> list[str]:
    """All that is wrong with a file in COCO's format, a line for each finding, with ids.

    Args:
        path: The JSON file.
        folder: The folder of the images, to look for each of them; None does not look.
    """
    problems: list[str] = []
    try:
        arrays = _parse(read_bytes(path), path, problems)
    except DataError as error:
        return [str(error)]
    if folder is not None:
        root = _root_of(folder, arrays)
        names = PathList.from_arrays(arrays["paths"], arrays["path_starts"])
        for number, name in zip(arrays["image_ids"].tolist(), names, strict=True):
            if not (root / name).is_file():
                problems.append(f"image {number}: there is no file '{root / name}'")
    return problems


def _parse_whole(data: bytes, *, path: Path, check: str) -> dict[str, np.ndarray]:
    problems: list[str] = []
    arrays = _parse(data, path, problems)
    if problems:
        # Brings in PyTorch, which reading a sound file does without.
        from vision.data.bad_images import listed

        more = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        raise DataError(
            f"'{path}' has {more}:\n{listed(problems)}\n"
            f"`python tools/check_dataset.py COCO {check}` lists all. Mend the file, or take these "
            "entries out of it."
        )
    return arrays


def _parse(data: bytes, path: Path, problems: list[str]) -> dict[str, np.ndarray]:
    """The arrays of a file; without meaning where there are problems.

    Raises:
        DataError: It is no JSON or not of the form of a COCO file.
    """
    with collector_paused():
        tables = read_tables(data, path)
        dropped = [0] * len(DROPPED)
        images = _read_images(tables, problems)
        categories = _read_categories(tables, problems)
        annotated = tables.annotations is not None
        objects = _read_objects(tables.annotations or [], images, categories, dropped, problems)
    index = DetectionIndex(
        folder=Path(),
        paths=PathList(images.names),
        image_ids=images.ids,
        sizes=images.sizes.astype(np.int32),
        class_names=tuple(categories.names),
        category_ids=categories.ids,
        **objects,
    )
    return {**index.arrays(), "annotated": np.array(annotated), "dropped": np.array(dropped)}


def _read_images(tables: Tables, problems: list[str]) -> _Images:
    records = complete(tables.images, ("id", "height", "width"), "images", problems)
    if not tables.images:
        problems.append("images: the list is empty")
    for key in ("height", "width", "id"):
        records, values = whole_numbers(records, key, "image", problems)
        if key != "id":
            for place in np.flatnonzero(values < 1):
                problems.append(
                    f"image {shown(records[place]['id'])}: '{key}' is {values[place]}, expected "
                    "pixels from 1 on"
                )
    ids = values
    check_unique(ids, "images", problems)
    order = np.argsort(ids, kind="stable")
    records = [records[place] for place in order]
    sizes = [(record["height"], record["width"]) for record in records]
    return _Images(
        ids=ids[order],
        sizes=np.array(sizes, dtype=np.int64).reshape(-1, 2),
        names=[_file_name(record, problems) for record in records],
    )


def file_name_of(record: Mapping[str, Any]) -> str:
    """Name of an image's file below the folder of the images; empty if its entry has none.

    Args:
        record: Its entry, with `file_name`, or as in LVIS with `coco_url`.
    """
    name, url = record.get("file_name"), record.get("coco_url")
    if isinstance(name, str) and name:
        return name
    if isinstance(url, str) and url.count("/") >= 2:
        return "/".join(url.split("/")[-2:])
    return ""


def _file_name(record: dict[str, Any], problems: list[str]) -> str:
    name = file_name_of(record)
    if not name:
        given, url = shown(record.get("file_name")), shown(record.get("coco_url"))
        problems.append(
            f"image {record['id']}: 'file_name' is {given} and 'coco_url' {url}, expected one of "
            "them as text"
        )
    return name


def _read_categories(tables: Tables, problems: list[str]) -> _Categories:
    if tables.categories is None or not tables.categories:
        if tables.annotations is not None:
            problems.append("categories: the list is absent or empty")
        return _Categories(np.zeros(0, dtype=np.int64), [])
    records = complete(tables.categories, ("id", "name"), "categories", problems)
    records, ids = whole_numbers(records, "id", "category", problems)
    check_unique(ids, "categories", problems)
    order = np.argsort(ids, kind="stable")
    names = [records[place]["name"] for place in order]
    for number, name in zip(ids[order], names, strict=True):
        if not isinstance(name, str):
            problems.append(f"category {number}: 'name' is {shown(name)}, expected text")
    return _Categories(ids[order], list(map(str, names)))


def _read_objects(
    records: list[Any],
    images: _Images,
    categories: _Categories,
    dropped: list[int],
    problems: list[str],
) -> dict[str, Any]:
    """The fields of `DetectionIndex` that have a row per object, and `starts`."""
    keys = ("id", "image_id", "category_id", "bbox")
    records = complete(records, keys, "annotations", problems)
    for key in keys[:3]:
        records, values = whole_numbers(records, key, "annotation", problems)
        if key == "id":
            check_unique(values, "annotations", problems)
    records, image = _places(records, "image_id", images.ids, "images", problems)
    records, labels = _places(records, "category_id", categories.ids, "categories", problems)
    if len(labels) < len(image):  # some were taken out
        records, image = _places(records, "image_id", images.ids, "images", problems)
    boxes = _check_boxes(records, images.sizes[image], dropped, problems)
    ids = np.array([record["id"] for record in records], dtype=np.int64)
    order = np.lexsort((ids, image))
    order = order[boxes.kept[order]]
    records = [records[place] for place in order]
    image, corners = image[order], boxes.corners[order]
    outlines = [record.get("segmentation") or None for record in records]
    unmasked = sum(outline is None for outline in outlines)
    has_masks = unmasked < len(outlines)
    if has_masks:
        dropped[2] = unmasked
        name = _namer(records)
        segments = pack_segmentations(outlines, images.sizes[image], name, problems)
    return {
        "starts": starts_of(np.bincount(image, minlength=len(images.ids))),
        "boxes": corners.astype(np.float32),
        "labels": labels[order].astype(np.int32),
        "crowd": np.array([bool(record.get("iscrowd")) for record in records], dtype=bool),
        "areas": _areas(records, corners, problems).astype(np.float32),
        "annotation_ids": ids[order],
        "segments": segments if has_masks else Segments.empty(len(records)),
        "has_masks": has_masks,
    }


def _places(
    records: list[dict[str, Any]], key: str, ids: np.ndarray, table: str, problems: list[str]
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """The entries that refer to a listed id, and its place among the ascending ids."""
    wanted = np.array([record[key] for record in records], dtype=np.int64)
    places = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    good = ids[places] == wanted if len(ids) else np.zeros(len(wanted), dtype=bool)
    if good.all():
        return records, places
    name = _namer(records)
    for row in np.flatnonzero(~good).tolist():
        problems.append(f"{name(row)}: its {key} {wanted[row]} is not listed in '{table}'")
    return [records[row] for row in np.flatnonzero(good).tolist()], places[good]


def _check_boxes(
    records: list[dict[str, Any]], sizes: np.ndarray, dropped: list[int], problems: list[str]
) -> _Boxes:
    name = _namer(records)
    boxes = _numbers(records, problems)
    finite = np.isfinite(boxes).all(axis=1)
    for row in np.flatnonzero(~finite).tolist():
        problems.append(f"{name(row)}: its box {boxes[row].tolist()} is not finite")
    boxes = np.where(finite[:, None], boxes, 0)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    limits = np.tile(sizes[:, ::-1], 2).astype(np.float64)  # W, H, W, H
    flat = (boxes[:, 2:] <= 0).any(axis=1)
    past = np.maximum(-corners, corners - limits).max(axis=1)
    beyond = np.maximum(corners[:, :2] - limits[:, :2], -corners[:, 2:]).max(axis=1)
    # A box that lies beyond the edge, but within the tolerance, has no pixel and is dropped.
    for row in np.flatnonzero((past > TOLERANCE_PX + 1e-3) & ~flat & finite).tolist():
        height, width = sizes[row]
        what = "lies outside" if beyond[row] >= 0 else f"reaches {past[row]:.6g} pixels out of"
        problems.append(
            f"{name(row)}: its box {boxes[row].tolist()} (x, y, width, height) {what} the image of "
            f"{width} x {height} pixels (width x height)"
        )
    corners = np.clip(corners, 0, limits)
    thin = (corners[:, 2:] - corners[:, :2] < LEAST_SIDE_PX).any(axis=1) & ~flat
    dropped[0], dropped[1] = int((flat & finite).sum()), int(thin.sum())
    return _Boxes(corners, finite & ~flat & ~thin)


def _numbers(records: list[dict[str, Any]], problems: list[str]) -> np.ndarray:
    """The boxes, float64 `(M, 4)`; those that are not four numbers are problems, and ones here."""
    boxes = [record["bbox"] for record in records]
    if not all(type(box) is list and len(box) == 4 and _are_numbers(box) for box in boxes):
        name = _namer(records)
        for row, box in enumerate(boxes):
            if type(box) is not list or len(box) != 4 or not _are_numbers(box):
                problems.append(
                    f"{name(row)}: 'bbox' is {shown(box)}, expected [x, y, width, height]"
                )
                boxes[row] = [0.0, 0.0, 1.0, 1.0]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _are_numbers(values: list[Any]) -> bool:
    return all(type(value) in (float, int) for value in values)


def _areas(records: list[dict[str, Any]], corners: np.ndarray, problems: list[str]) -> np.ndarray:
    values = [record.get("area") for record in records]
    if set(map(type, values)) - {int, float, type(None)}:
        name = _namer(records)
        for row, value in enumerate(values):
            if type(value) not in (int, float, type(None)):
                problems.append(f"{name(row)}: 'area' is {shown(value)}, expected a number")
                values[row] = None
    areas = np.array(values, dtype=np.float64)  # None becomes NaN
    of_boxes = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    return np.where(np.isfinite(areas), areas, of_boxes)


def _namer(records: list[dict[str, Any]]) -> Callable[[int], str]:
    def name(row: int) -> str:
        return f"annotation {records[row]['id']} (image {records[row]['image_id']})"

    return name


def _root_of(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """The folder that the names are relative to: its parent, where they begin with its name."""
    names = PathList.from_arrays(arrays["paths"], arrays["path_starts"])
    if len(names) and not (folder / names[0]).exists():
        parent = folder.resolve().parent
        if names[0].startswith(f"{folder.resolve().name}/") and (parent / names[0]).exists():
            return parent
    return folder
