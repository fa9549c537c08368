"""The reader of COCO's panoptic format: a JSON file, and a PNG per image that holds segment ids.

"Panoptic Segmentation", Kirillov, He, Girshick, Rother and Dollár, 2019, arXiv 1801.00868, and
https://cocodataset.org/#format-data. A pixel's id is R + 256 G + 65,536 B; 0 is void.

Letters: H rows, W columns, S segments of an image, K categories.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import Categories, judge, problems_error
from vision.annotations.coco_tables import find_tables
from vision.annotations.columns import (
    check_unique,
    column,
    complete,
    flag,
    identities,
    identity,
    take,
)
from vision.annotations.file_names import name_fault, with_slashes
from vision.contracts.segments import VOID
from vision.errors import DataError, listed, shown
from vision.ops.label_images import read_labels

MAX_SEGMENT_ID = 2**24 - 1
REMEDY = "Fix the file, or write it again with its PNG files."
_EXPECTED = (
    "Expected a panoptic file: an object with the lists 'images', 'annotations', each with "
    "'segments_info', and 'categories', each with 'isthing'."
)


class Segments(NamedTuple):
    """The segments of an image.

    Attributes:
        ids: int64 `(S,)`, unique, 1 to 2**24 - 1.
        labels: int64 `(S,)`, index of its category among the ascending ids.
        crowd: bool `(S,)`, whether it is a region of many objects.
    """

    ids: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray


class PanopticImage(NamedTuple):
    """An image.

    Attributes:
        file_name: Its PNG, below the folder of such files.
        segments: What the PNG holds.
        size: Height and width in pixels; None where the file does not state them.
    """

    file_name: str
    segments: Segments
    size: tuple[int, int] | None = None


class PanopticFile(NamedTuple):
    """The contents of an annotation file.

    Attributes:
        categories: By ascending id.
        things: bool `(K,)`; the others are stuff.
        images: By their ids.
        where: What it was read from, for messages.
    """

    categories: Categories
    things: np.ndarray
    images: dict[int, PanopticImage]
    where: str


def read_annotations(contents: Any, where: str) -> PanopticFile:
    """Read the contents of an annotation file.

    Args:
        contents: What its JSON holds.
        where: What messages call it.

    Returns:
        The images that have an annotation; others are not evaluated, as by the format's authors.

    Raises:
        DataError: Something is absent or wrong; the message has the ids of the first few.
    """
    tables = find_tables(contents, where)
    if not tables.annotations:
        raise DataError(f"{where} has no annotations. {_EXPECTED}")
    problems: list[str] = []
    # The judge of COCO's files knows boxes and outlines, of which there are none here.
    file = judge(tables._replace(annotations=()), problems, files=False)
    things = _read_things(tables.categories or (), file.categories, problems)
    sizes = dict(zip(file.images.ids.tolist(), map(tuple, file.images.sizes.tolist()), strict=True))
    images = _read_images(tables.annotations, file.categories, problems)
    for number, image in images.items():
        if number not in sizes:
            problems.append(f"the annotation of image {number}: it is not listed in 'images'")
        elif sizes[number][0]:
            images[number] = image._replace(size=sizes[number])
    if problems:
        raise problems_error(where, problems, REMEDY)
    return PanopticFile(file.categories, things, images, where)


def read_predictions(contents: Any, truth: PanopticFile, where: str) -> dict[int, PanopticImage]:
    """Read the contents of a file of predictions: `annotations` as in the annotation file.

    Args:
        contents: What its JSON holds.
        truth: The annotations, whose categories and images the predictions have.
        where: What messages call it.

    Returns:
        Images by their ids, in the order of the annotations.

    Raises:
        DataError: Something is absent or wrong, or the images are not those of the annotations.
    """
    rows = contents.get("annotations") if isinstance(contents, Mapping) else None
    if not isinstance(rows, list | tuple):
        raise DataError(
            f"{where} has no list 'annotations'. Expected an object with it, each entry with"
            " 'image_id', 'file_name' and 'segments_info'; a bare list of results is another"
            " format."
        )
    problems: list[str] = []
    images = _read_images(rows, truth.categories, problems)
    if problems:
        raise problems_error(
            where, problems, f"Ids of categories and images come from {truth.where}."
        )
    if missing := [number for number in truth.images if number not in images]:
        raise DataError(
            f"{len(missing):,} of {len(truth.images):,} images of {truth.where} have no prediction"
            f" in {where}, such as image {listed(missing, maximum=3)}. Every image is measured:"
            " predict those too."
        )
    if surplus := [number for number in images if number not in truth.images]:
        raise DataError(
            f"{len(surplus):,} of {len(images):,} predictions in {where} are for images that are"
            f" not in {truth.where}, such as image {listed(surplus, maximum=3)}. Give the"
            " annotations of the split that was predicted."
        )
    return {number: images[number] for number in truth.images}


def read_segment_ids(path: Path) -> np.ndarray:
    """Read the segment ids in a PNG file.

    Args:
        path: The file, an RGB image.

    Returns:
        int32 `(H, W)`, each R + 256 G + 65,536 B.

    Raises:
        ImageError: It is absent or broken.
        DataError: It is not an RGB image.
    """
    labels = read_labels(path)
    if labels.ndim != 3:
        raise DataError(
            f"'{path}' is a grey or palette image; expected an RGB one, in which a segment's id"
            " is R + 256 G + 65,536 B. Masks of classes are evaluated by `vision evaluate"
            " segmentation`."
        )
    ids = labels[..., 2].astype(np.int32)
    for channel in (1, 0):
        ids <<= 8
        ids |= labels[..., channel]
    return ids


def check_segments(found: np.ndarray, image: PanopticImage, number: int, png: Path | str) -> None:
    """Check that a PNG file and its entry have the same segments.

    Args:
        found: Unique ids in the PNG file, `VOID` among them or not.
        image: The entry.
        number: Id of the image, for messages.
        png: The file, for messages.

    Raises:
        DataError: One has a segment that the other lacks.
    """
    unlisted = np.setdiff1d(found[found != VOID], image.segments.ids)
    if len(unlisted):
        raise DataError(
            f"'{png}' has pixels of segment {listed(unlisted)}, which the 'segments_info' of image"
            f" {number} does not list (it has {listed(image.segments.ids)}). Add the segment with"
            " its category_id, or write 0 (void) to the pixels."
        )
    unseen = np.setdiff1d(image.segments.ids, found)
    if len(unseen):
        raise DataError(
            f"the 'segments_info' of image {number} lists segment {listed(unseen)}, of which"
            f" '{png}' has no pixel (it has {listed(found)}). Remove the entry, or give the PNG"
            " file that was written with it."
        )


def _read_things(rows: Any, categories: Categories, problems: list[str]) -> np.ndarray:
    records = complete(rows, ("id", "isthing"), "categories", problems)
    values = [record["isthing"] for record in records]
    things, refused = column([2 if value is None else value for value in values], flag)
    by_id: dict[int | None, bool] = {}
    for record, thing, bad in zip(records, things.tolist(), refused.tolist(), strict=True):
        if bad:
            problems.append(
                f"category {shown(record['id'])}: 'isthing' is {shown(record['isthing'])},"
                " expected 1 (thing) or 0 (stuff)"
            )
        by_id[identity(record["id"])] = bool(thing)
    return np.array([by_id.get(number, False) for number in categories.ids.tolist()], dtype=bool)


def _read_images(
    rows: Any, categories: Categories, problems: list[str]
) -> dict[int, PanopticImage]:
    keys = ("image_id", "file_name", "segments_info")
    records = complete(rows, keys, "annotations", problems)
    numbers, good = identities(records, "image_id", "annotations", problems)
    check_unique(numbers[good], "annotations (image_id)", problems)
    images = {}
    for number, record in zip(numbers[good].tolist(), take(records, good), strict=True):
        name, entries = record["file_name"], record["segments_info"]
        name = with_slashes(name) if isinstance(name, str) else ""
        if fault := name_fault(name, record):
            problems.append(f"the annotation of image {number}: {fault}")
        if not isinstance(entries, list | tuple):
            problems.append(
                f"the annotation of image {number}: 'segments_info' is {shown(entries)}, expected"
                " a list"
            )
            entries = ()
        images[number] = PanopticImage(name, _read_segments(entries, number, categories, problems))
    return images


def _read_segments(
    entries: Any, number: int, categories: Categories, problems: list[str]
) -> Segments:
    table = f"image {number}, segment"
    records = complete(entries, ("id", "category_id"), table, problems)
    ids, good = identities(records, "id", table, problems)
    own, has_category = identities(records, "category_id", table, problems)
    check_unique(ids[good], f"the segments of image {number}", problems)
    listed_ = np.isin(own, categories.ids)
    for row in np.flatnonzero(has_category & ~listed_).tolist():
        problems.append(f"{table} {ids[row]}: its category_id {own[row]} is not in 'categories'")
    possible = (ids > VOID) & (ids <= MAX_SEGMENT_ID)
    for row in np.flatnonzero(good & ~possible).tolist():
        problems.append(
            f"{table} {ids[row]}: 'id' has to be 1 to {MAX_SEGMENT_ID:,}, as a PNG holds it; 0 is"
            " void"
        )
    crowd, refused = column([record.get("iscrowd") for record in records], flag)
    for row in np.flatnonzero(refused).tolist():
        value = shown(records[row]["iscrowd"])
        problems.append(f"{table} {ids[row]}: 'iscrowd' is {value}, expected 0 or 1")
    good &= listed_ & possible
    labels = np.searchsorted(categories.ids, own[good])
    return Segments(ids[good], labels, crowd[good].astype(bool))
