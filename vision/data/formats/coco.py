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
from vision.annotations.coco_kinds import (
    Kind,
    has_keypoints,
    kind_of,
    require_kind,
    require_objects,
)
from vision.annotations.coco_tables import collector_paused, read_tables
from vision.annotations.lvis import read_federation
from vision.annotations.outlines import starts_of
from vision.data.files.array_cache import cached_arrays
from vision.data.files.finding import PathList, read_bytes
from vision.data.index.detection import DetectionIndex
from vision.data.index.segments import Segments
from vision.errors import DataError
from vision.program import command

logger = logging.getLogger(__name__)

# Version of the arrays made from a file: a cache of another version is not read.
VERSION = 4
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
CLIPPED = 2

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
        clipped: Number of boxes that were clipped to their images.
    """

    problems: list[str]
    readable: DetectionIndex | None
    annotations: int
    clipped: int = 0


class Parsing(NamedTuple):
    """How a file is parsed.

    Attributes:
        path: The file.
        clip_boxes: Whether boxes that reach out of their images are clipped.
        federated: Whether what LVIS says of its images and categories is checked.
    """

    path: Path
    clip_boxes: bool
    federated: bool


def read_coco(
    path: Path,
    folder: Path,
    *,
    masks: bool = True,
    annotated: bool = True,
    clip_boxes: bool = False,
    kind: Kind | None = None,
    cache_dir: Path | None = None,
    check: str = "COCO --root FOLDER",
) -> DetectionIndex:
    """Read a file in COCO's format, or LVIS'.

    Images, the objects of each image, and the categories are in ascending order of their ids. Boxes
    without extent, or with less than a pixel within the image, are left out with a warning that
    counts them.

    Args:
        path: The JSON file.
        folder: The folder of the images. Where entries have no `file_name` (LVIS), the last two
            parts of `coco_url`, such as `train2017/000000391895.jpg`, are looked for in it, or
            beside it if it is `train2017` itself. Where a `file_name` of several folders is not
            there (Objects365), neither, its last two parts are looked for.
        masks: Whether to read the segmentations, which all objects must have, or none.
        annotated: Whether the file has to have annotations; to predict it does not.
        clip_boxes: Whether boxes that reach out of their images are clipped; if not, boxes that do
            so by more than a pixel are problems.
        kind: `"objects"` refuses an LVIS file that is annotated, `"lvis"` any other; None reads
            both.
        cache_dir: Folder of the cache of the arrays; None does not cache them.
        check: Arguments of the command check-dataset, for the message of an error.

    Raises:
        DataError: The file is absent, is not JSON, is of another kind, or has problems; names the
            first few, with ids.
    """
    federated = kind == "lvis"
    parsing = Parsing(path, clip_boxes=clip_boxes, federated=federated)
    make = partial(_parse_whole, parsing=parsing, check=check)
    version = f"{'lvis' if federated else 'coco'}-{VERSION}{'-clipped' if clip_boxes else ''}"
    arrays = cached_arrays(path, make, version=version, folder=cache_dir)
    if annotated and not arrays["annotated"]:
        raise DataError(
            f"'{path}' has no 'annotations'. Such a file is only for prediction "
            "(predict_annotations); expected one like instances_val2017.json."
        )
    if annotated and kind is not None:
        require_kind("lvis" if arrays["federated"] else "objects", kind, f"'{path}'")
    if arrays["keypoints"]:
        logger.info("'%s' has keypoints, which are ignored: only boxes and masks are read", path)
    for text, count in zip(DROPPED, arrays["dropped"].tolist(), strict=True):
        if count:
            logger.warning(text, f"{count:,}", f"'{path}'")
    index = _locate(arrays, folder)
    if masks and index.has_masks and (problems := _mask_problems(arrays)):
        raise _problems_error(path, problems, check)
    return index if masks or not index.has_masks else index.without_masks()


def check_coco(
    path: Path,
    folder: Path,
    *,
    masks: bool = True,
    clip_boxes: bool = False,
    kind: Kind | None = None,
) -> CheckedFile:
    """Find all problems of a file in COCO's format.

    Args:
        path: The JSON file.
        folder: The folder of its images.
        masks: As in `read_coco`.
        clip_boxes: As in `read_coco`.
        kind: As in `read_coco`.
    """
    problems: list[str] = []
    try:
        parsing = Parsing(path, clip_boxes=clip_boxes, federated=kind == "lvis")
        arrays = _parse(read_bytes(path), parsing, problems)
        if arrays["annotated"] and kind is not None:
            require_kind("lvis" if arrays["federated"] else "objects", kind, f"'{path}'")
    except DataError as error:
        return CheckedFile([str(error)], None, 0)
    index = _locate(arrays, folder)
    if masks and index.has_masks:
        problems += _mask_problems(arrays)
    clipped = int(arrays["dropped"][CLIPPED])
    return CheckedFile(problems, index, int(arrays["annotations"]), clipped)


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


def _parse_whole(data: bytes, *, parsing: Parsing, check: str) -> dict[str, np.ndarray]:
    problems: list[str] = []
    arrays = _parse(data, parsing, problems)
    if problems:
        raise _problems_error(parsing.path, problems, check)
    return arrays


def _parse(data: bytes, parsing: Parsing, problems: list[str]) -> dict[str, np.ndarray]:
    """The arrays of a file, without the entries that have a problem.

    Raises:
        DataError: It is not JSON or does not have the form of a COCO file.
    """
    with collector_paused():
        tables = read_tables(data, parsing.path)
        require_objects(tables, f"'{parsing.path}'")
        file = judge(tables, problems, grouped=True)
        is_lvis = kind_of(tables) == "lvis"
        if parsing.federated and is_lvis and tables.annotations is not None:
            read_federation(tables, file, problems)
    images, objects = file.images, file.objects
    dropped = [0] * len(DROPPED)
    dropped[3] = int((objects.ids == 0).sum())
    corners, kept = _corners(file, parsing.clip_boxes, dropped, problems)
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
        federated=is_lvis,
    )
    owners = images.ids[objects.images]
    return {
        **index.arrays(),
        "annotated": np.array(tables.annotations is not None),
        "annotations": np.array(len(objects.ids)),
        "dropped": np.array(dropped),
        "keypoints": np.array(has_keypoints(tables)),
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
        dropped[CLIPPED] = int(outside.sum())
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


def _locate(arrays: Mapping[str, np.ndarray], folder: Path) -> DetectionIndex:
    """The index of some arrays, with its images where the first of them is found.

    Names may begin with the folder's own name, or with folders that were not unpacked.
    """
    names = PathList.from_arrays(arrays["paths"], arrays["path_starts"])
    # Unlike pathlib's functions, these treat a name that is too long as absent.
    if not len(names) or os.path.exists(folder / names[0]):
        return DetectionIndex.from_arrays(dict(arrays), folder)
    parent = folder.resolve().parent
    if names[0].startswith(f"{folder.resolve().name}/") and os.path.exists(parent / names[0]):
        return DetectionIndex.from_arrays(dict(arrays), parent)
    if os.path.exists(folder / _short(names[0])):
        short = PathList(map(_short, names)).arrays()
        renamed = dict(zip(("paths", "path_starts"), short, strict=True))
        return DetectionIndex.from_arrays({**arrays, **renamed}, folder)
    return DetectionIndex.from_arrays(dict(arrays), folder)


def _short(name: str) -> str:
    """The file and its folder: `patch0/a.jpg` of `images/v1/patch0/a.jpg`, as Objects365 has it."""
    return "/".join(name.split("/")[-2:])
