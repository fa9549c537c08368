"""Read annotation files in COCO's format into the arrays of a training set.

The contents are checked by `vision.annotations.coco`, which evaluation shares; here boxes are
clipped to their images.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.annotations.coco import ID_ZERO, CocoFile, Objects, judge, namer, problems_error
from vision.annotations.coco_tables import collector_paused, read_tables
from vision.annotations.outlines import starts_of
from vision.data.files.array_cache import cached_arrays
from vision.data.files.finding import PathList, read_bytes
from vision.data.index.detection import DetectionIndex
from vision.data.index.segments import Segments
from vision.errors import DataError
from vision.program import command

logger = logging.getLogger(__name__)

# Version of the arrays made from a file: a cache of another version is not read.
VERSION = 2
# Boxes of COCO itself reach past the edge by a fraction of a pixel.
TOLERANCE_PX = 1.0
MIN_SIDE_PX = 1.0
# Boxes look like xyxy in place of xywh above these shares: of boxes that reach out of their images,
# and of boxes among them that would be inside as corners.
XYXY_OUTSIDE, XYXY_INSIDE = 0.2, 0.9
# Warnings about objects that are left out, changed or special, with their number.
DROPPED = (
    "dropped %s boxes without width or height of %s",
    "dropped %s boxes narrower or lower than 1 pixel (within the image) of %s",
    "cut %s boxes that reach out of their images of %s",
    ID_ZERO,
)


NO_MASK = (
    "it has no 'segmentation', but other objects have; give it one, or set masks: false to use "
    "only boxes"
)


class CheckedFile(NamedTuple):
    """Result of the check of a file in COCO's format.

    Attributes:
        problems: A line for each problem, with the id of the entry.
        readable: The images and objects without a problem; None if the file cannot be read.
        annotations: Number of annotations without a problem.
    """

    problems: list[str]
    readable: DetectionIndex | None
    annotations: int


def read_coco(
    path: Path,
    folder: Path,
    *,
    masks: bool = True,
    annotated: bool = True,
    clip_boxes: bool = False,
    cache_dir: Path | None = None,
    check: str = "COCO --root FOLDER",
) -> DetectionIndex:
    """Read a file in COCO's format.

    Images, the objects of each image, and the categories are in ascending order of their ids. Boxes
    without extent, or with less than a pixel within the image, are left out with a warning that
    counts them.

    Args:
        path: The JSON file.
        folder: The folder of the images. Where entries have no `file_name` (LVIS), the last two
            parts of `coco_url`, such as `train2017/000000391895.jpg`, are looked for in it, or
            beside it if it is `train2017` itself.
        masks: Whether to read the segmentations, which all objects must have, or none.
        annotated: Whether the file has to have annotations; to predict it does not.
        clip_boxes: Whether boxes that reach out of their images are clipped; if not, boxes that do
            so by more than a pixel are problems.
        cache_dir: Folder of the cache of the arrays; None does not cache them.
        check: Arguments of the command check-dataset, for the message of an error.

    Raises:
        DataError: The file is absent, is not JSON, or has problems; names the first few, with ids.
    """
    make = partial(_parse_whole, path=path, clip_boxes=clip_boxes, check=check)
    version = f"coco-{VERSION}{'-clipped' if clip_boxes else ''}"
    arrays = cached_arrays(path, make, version=version, folder=cache_dir)
    if annotated and not arrays["annotated"]:
        raise DataError(
            f"'{path}' has no 'annotations'. Such a file is only for prediction "
            "(predict_annotations); expected one like instances_val2017.json."
        )
    for text, count in zip(DROPPED, arrays["dropped"].tolist(), strict=True):
        if count:
            logger.warning(text, f"{count:,}", f"'{path}'")
    index = DetectionIndex.from_arrays(dict(arrays), _root_of(folder, arrays))
    if masks and index.has_masks and (problems := _mask_problems(arrays)):
        raise _problems_error(path, problems, check)
    return index if masks or not index.has_masks else index.without_masks()


def check_coco(
    path: Path, folder: Path, *, masks: bool = True, clip_boxes: bool = False
) -> CheckedFile:
    """Find all problems of a file in COCO's format.

    Args:
        path: The JSON file.
        folder: The folder of its images.
        masks: As in `read_coco`.
        clip_boxes: As in `read_coco`.
    """
    problems: list[str] = []
    try:
        arrays = _parse(read_bytes(path), path, clip_boxes, problems)
    except DataError as error:
        return CheckedFile([str(error)], None, 0)
    index = DetectionIndex.from_arrays(arrays, _root_of(folder, arrays))
    if masks and index.has_masks:
        problems += _mask_problems(arrays)
    return CheckedFile(problems, index, int(arrays["annotations"]))


def _mask_problems(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """A line for each object without a mask, if others have one."""
    ids, images = arrays["unmasked"].T
    name = namer(ids, images)
    return [f"{name(row)}: {NO_MASK}" for row in range(len(ids))]


def _problems_error(path: Path, problems: list[str], check: str) -> DataError:
    return problems_error(
        f"'{path}'",
        problems,
        f"`{command('check-dataset')} {check}` lists all. Fix the file, or remove these "
        "entries from it.",
    )


def _parse_whole(data: bytes, *, path: Path, clip_boxes: bool, check: str) -> dict[str, np.ndarray]:
    problems: list[str] = []
    arrays = _parse(data, path, clip_boxes, problems)
    if problems:
        raise _problems_error(path, problems, check)
    return arrays


def _parse(data: bytes, path: Path, clip_boxes: bool, problems: list[str]) -> dict[str, np.ndarray]:
    """The arrays of a file, without the entries that have a problem.

    Raises:
        DataError: It is not JSON or does not have the form of a COCO file.
    """
    with collector_paused():
        tables = read_tables(data, path)
        file = judge(tables, problems, grouped=True)
    images, objects = file.images, file.objects
    dropped = [0] * len(DROPPED)
    dropped[3] = int((objects.ids == 0).sum())
    corners, kept = _corners(file, clip_boxes, dropped, problems)
    unmasked = objects.unmasked
    has_masks = not unmasked.all()
    index = DetectionIndex(
        folder=Path(),
        paths=PathList(images.names),
        image_ids=images.ids,
        sizes=images.sizes.astype(np.int32),
        starts=starts_of(np.bincount(objects.images[kept], minlength=len(images.ids))),
        boxes=corners[kept].astype(np.float32),
        labels=objects.labels[kept].astype(np.int32),
        crowd=objects.crowd[kept],
        areas=objects.areas[kept].astype(np.float32),
        annotation_ids=objects.ids[kept],
        segments=_pack(objects, images.sizes, kept) if has_masks else Segments.empty(kept.sum()),
        class_names=tuple(file.categories.names),
        category_ids=file.categories.ids,
        has_masks=has_masks,
    )
    owners = images.ids[objects.images]
    return {
        **index.arrays(),
        "annotated": np.array(tables.annotations is not None),
        "annotations": np.array(len(objects.ids)),
        "dropped": np.array(dropped),
        "unmasked": np.stack([objects.ids[unmasked], owners[unmasked]], axis=1),
    }


def _pack(objects: Objects, sizes: np.ndarray, kept: np.ndarray) -> Segments:
    outlines = objects.outlines
    return Segments(
        coordinates=outlines.numbers.astype(np.float32),
        polygon_starts=outlines.starts,
        row_starts=outlines.row_starts,
        run_rows=outlines.run_rows,
        run_sizes=sizes[objects.images[outlines.run_rows]].astype(np.int32),
        run_counts=np.frombuffer(b"".join(outlines.run_texts), dtype=np.uint8),
        run_starts=starts_of([len(text) for text in outlines.run_texts]),
    ).where(kept)


def _corners(
    file: CocoFile, clip_boxes: bool, dropped: list[int], problems: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the boxes within their images, float64 `(M, 4)`, and which objects are kept."""
    objects, sizes = file.objects, file.images.sizes[file.objects.images]
    boxes = objects.boxes
    full = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    limits = np.tile(sizes[:, ::-1], 2).astype(np.float64)  # W, H, W, H
    corners = np.clip(full, 0, limits)
    flat = (boxes[:, 2:] <= 0).any(axis=1)
    out = np.maximum(-full, full - limits).max(axis=1)
    # A box beyond the edge, but within the tolerance, has no pixel and is dropped.
    outside = (out > TOLERANCE_PX + 1e-3) & ~flat & (sizes > 0).all(axis=1)
    if clip_boxes:
        dropped[2] = int(outside.sum())
    else:
        problems += _outside_problems(file, outside, out)
    thin = (corners[:, 2:] - corners[:, :2] < MIN_SIDE_PX).any(axis=1) & ~flat
    dropped[0], dropped[1] = int(flat.sum()), int(thin.sum())
    return corners, ~flat & ~thin


def _outside_problems(file: CocoFile, outside: np.ndarray, out: np.ndarray) -> Iterator[str]:
    """A line for each box that reaches out of its image, and before them the likely cause."""
    if not outside.any():
        return
    objects = file.objects
    if looks_like_corners(file, outside):
        yield (
            f"{int(outside.sum()):,} of {len(outside):,} boxes reach out of their images, and as "
            "[x1, y1, x2, y2] would be inside; 'bbox' has to be [x, y, width, height]"
        )
    name = file.namer()
    for row in np.flatnonzero(outside).tolist():
        height, width = file.images.sizes[objects.images[row]].tolist()
        x, y, w, h = objects.boxes[row].tolist()
        apart = x >= width or y >= height or x + w <= 0 or y + h <= 0
        what = "lies outside" if apart else f"reaches {out[row]:.6g} pixels out of"
        yield (
            f"{name(row)}: its box {[x, y, w, h]} (x, y, width, height) {what} the image of "
            f"{width} x {height} pixels (width x height); clip_boxes: true cuts such boxes"
        )


def looks_like_corners(file: CocoFile, outside: np.ndarray) -> bool:
    """Whether many boxes reach out of their images and most of these would fit as x1, y1, x2, y2.

    Args:
        file: A file in COCO's format.
        outside: bool `(M,)`, which boxes reach out of their images.
    """
    if not outside.any() or outside.mean() < XYXY_OUTSIDE:
        return False
    boxes = file.objects.boxes[outside]
    limits = file.images.sizes[file.objects.images[outside], ::-1] + TOLERANCE_PX
    fits = (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= limits) & (boxes[:, :2] >= 0)
    return bool(fits.all(axis=1).mean() >= XYXY_INSIDE)


def _root_of(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """The folder that the names are relative to: the parent if they begin with its name."""
    names = PathList.from_arrays(arrays["paths"], arrays["path_starts"])
    # Unlike pathlib's functions, these treat a name that is too long as absent.
    if len(names) and not os.path.exists(folder / names[0]):
        parent = folder.resolve().parent
        if names[0].startswith(f"{folder.resolve().name}/") and os.path.exists(parent / names[0]):
            return parent
    return folder
