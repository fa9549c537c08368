"""The reader of COCO's panoptic format: a JSON file, and a PNG per image that holds segment ids.

"Panoptic Segmentation", Kirillov, He, Girshick, Rother and Dollár, 2019, arXiv 1801.00868, and
https://cocodataset.org/#format-data. A pixel's id is R + 256 G + 65,536 B; 0 is void.

Letters: H rows, W columns, S segments of an image, K categories.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import Categories, Images, problems_error, read_categories, read_images
from vision.annotations.coco_tables import find_tables
from vision.annotations.panoptic_columns import (
    SegmentColumns,
    has_text_ids,
    read_segments,
    read_things,
)
from vision.contracts.segments import VOID
from vision.errors import DataError, listed
from vision.ops.label_images import read_labels
from vision.program import command

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
        images: By their ids, whole numbers or texts.
        where: What it was read from, for messages.
    """

    categories: Categories
    things: np.ndarray
    images: dict[int | str, PanopticImage]
    where: str


class PanopticTables(NamedTuple):
    """The contents of an annotation file in arrays.

    Attributes:
        categories: By ascending id.
        things: bool `(K,)`; the others are stuff.
        images: The list of images, by ascending id.
        segments: The annotations, in the order of the file.
    """

    categories: Categories
    things: np.ndarray
    images: Images
    segments: SegmentColumns


def read_tables(
    contents: Any, where: str, problems: list[str], *, files: bool = False
) -> PanopticTables:
    """Check the contents of an annotation file and convert them to arrays.

    Args:
        contents: What its JSON holds.
        where: What messages call it.
        problems: Takes a line for everything that is wrong, with the ids and the key.
        files: Whether images have to have a file name and a size.

    Raises:
        DataError: It has not the form of such a file.
    """
    tables = find_tables(contents, where)
    if not tables.annotations:
        raise DataError(f"{where} has no annotations. {_EXPECTED}")
    texts = has_text_ids(tables)
    images = read_images(tables, problems, files=files, texts=texts)
    categories = read_categories(tables, problems)
    things = read_things(tables.categories or (), categories, problems)
    segments = read_segments(tables.annotations, categories, problems, texts=texts)
    for number in np.setdiff1d(segments.images, images.ids).tolist():
        problems.append(f"the annotation of image {number}: it is not listed in 'images'")
    return PanopticTables(categories, things, images, segments)


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
    problems: list[str] = []
    tables = read_tables(contents, where, problems)
    if problems:
        raise problems_error(where, problems, REMEDY)
    found = tables.images
    sizes = dict(zip(found.ids.tolist(), map(tuple, found.sizes.tolist()), strict=True))
    images = {
        number: image._replace(size=sizes[number] if sizes[number][0] else None)
        for number, image in _images_of(tables.segments).items()
    }
    return PanopticFile(tables.categories, tables.things, images, where)


def read_predictions(
    contents: Any, truth: PanopticFile, where: str
) -> dict[int | str, PanopticImage]:
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
    texts = isinstance(next(iter(truth.images)), str)
    images = _images_of(read_segments(rows, truth.categories, problems, texts=texts))
    if problems:
        raise problems_error(
            where, problems, f"Ids of categories and images come from {truth.where}."
        )
    if missing := [number for number in truth.images if number not in images]:
        advice = "predict those too"
        if len(missing) == len(truth.images) and images:
            advice = (
                f"predict its images with its numbers (`{command('predict')} --annotations FILE`),"
                f" not {listed(images, maximum=3)}"
            )
        raise DataError(
            f"{len(missing):,} of {len(truth.images):,} images of {truth.where} have no prediction"
            f" in {where}, such as image {listed(missing, maximum=3)}. Every image is measured:"
            f" {advice}."
        )
    if surplus := [number for number in images if number not in truth.images]:
        raise DataError(
            f"{len(surplus):,} of {len(images):,} predictions in {where} are for images that are"
            f" not in {truth.where}, such as image {listed(surplus, maximum=3)}. Give the"
            " annotations of the split that was predicted."
        )
    return {number: images[number] for number in truth.images}


def read_segment_ids(path: str | os.PathLike[str]) -> np.ndarray:
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


def check_segments(
    found: np.ndarray, segments: Segments, number: int | str, png: Path | str
) -> None:
    """Check that a PNG file and its entry have the same segments.

    Args:
        found: Unique ids in the PNG file, `VOID` among them or not.
        segments: The entry's segments.
        number: Id of the image, for messages.
        png: The file, for messages.

    Raises:
        DataError: One has a segment that the other lacks.
    """
    unlisted = np.setdiff1d(found[found != VOID], segments.ids)
    if len(unlisted):
        raise DataError(
            f"'{png}' has pixels of segment {listed(unlisted)}, which the 'segments_info' of image"
            f" {number} does not list (it has {listed(segments.ids)}). Add the segment with"
            " its category_id, or write 0 (void) to the pixels."
        )
    unseen = np.setdiff1d(segments.ids, found)
    if len(unseen):
        raise DataError(
            f"the 'segments_info' of image {number} lists segment {listed(unseen)}, of which"
            f" '{png}' has no pixel (it has {listed(found)}). Remove the entry, or give the PNG"
            " file that was written with it."
        )


def _images_of(columns: SegmentColumns) -> dict[int | str, PanopticImage]:
    images = {}
    edges = columns.starts.tolist()
    for row, (number, name) in enumerate(zip(columns.images.tolist(), columns.names, strict=True)):
        own = slice(edges[row], edges[row + 1])
        segments = Segments(columns.ids[own], columns.labels[own], columns.crowd[own])
        images[number] = PanopticImage(name, segments)
    return images
