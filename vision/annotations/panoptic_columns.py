"""The tables of a file in COCO's panoptic format as arrays: all segments at once.

COCO's training set has 1.4 million segments: read one by one, with a few arrays for each image,
they would take minutes and gigabytes.

Letters: N images, S segments of all of them, K categories.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import Categories
from vision.annotations.coco_tables import Tables
from vision.annotations.columns import (
    check_unique,
    column,
    complete,
    flag,
    identities,
    identity,
    take,
    text_ids,
)
from vision.annotations.file_names import name_fault, with_slashes
from vision.annotations.outlines import starts_of
from vision.contracts.segments import MAX_SEGMENT_ID, VOID
from vision.errors import shown


class SegmentColumns(NamedTuple):
    """The annotated images of a file, and the segments of image i at `starts[i]:starts[i + 1]`.

    Attributes:
        images: int64 `(N,)`, the id of each image; or texts.
        names: Its PNG, below the folder of such files.
        listed: int64 `(N,)`, number of entries of each image, with those that have a problem.
        starts: int64 `(N + 1,)`.
        ids: int64 `(S,)`, 1 to 2**24 - 1, unique in an image.
        labels: int64 `(S,)`, index of the category among the ascending ids.
        crowd: bool `(S,)`, whether it is a region of many objects.
    """

    images: np.ndarray
    names: list[str]
    listed: np.ndarray
    starts: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray


def has_text_ids(tables: Tables) -> bool:
    """Whether the ids of the images are texts, as in the files of Cityscapes and ADE20K."""
    ids = [record.get("id") for record in tables.images if isinstance(record, Mapping)]
    texts = [value for value in ids if isinstance(value, str)]
    return bool(ids) and len(texts) == len(ids) and any(identity(text) is None for text in texts)


def read_things(rows: Any, categories: Categories, problems: list[str]) -> np.ndarray:
    """Which categories are things, bool `(K,)`.

    Args:
        rows: The list `categories`.
        categories: The same in arrays.
        problems: Takes a line for everything that is wrong.
    """
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


def read_segments(
    rows: Any, categories: Categories, problems: list[str], *, texts: bool
) -> SegmentColumns:
    """Check the annotations of a file and convert them to arrays.

    Args:
        rows: The list `annotations`.
        categories: The categories.
        problems: Takes a line for everything that is wrong, with the ids and the key.
        texts: Whether the ids of the images are texts.

    Returns:
        The images in the order of the file; segments with a problem are left out.
    """
    keys = ("image_id", "file_name", "segments_info")
    records = complete(rows, keys, "annotations", problems)
    images, good = (text_ids if texts else identities)(records, "image_id", "annotations", problems)
    records, images = take(records, good), images[good]
    check_unique(images, "annotations (image_id)", problems)
    names, lists = [], []
    for number, record in zip(images.tolist(), records, strict=True):
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
        names.append(name)
        lists.append(entries)
    listed = np.array([len(entries) for entries in lists], dtype=np.int64)
    return SegmentColumns(images, names, listed, *_columns(lists, images, categories, problems))


def _columns(
    lists: list[Sequence[Any]], images: np.ndarray, categories: Categories, problems: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Starts, ids, labels and crowds of the segments of all images."""
    found = _whole_columns(lists, categories)
    if found is not None:
        return found
    # Something is wrong somewhere: image by image, for the messages.
    parts = [
        _segments_of(entries, number, categories, problems)
        for number, entries in zip(images.tolist(), lists, strict=True)
    ]
    empty = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    ids, labels, crowd = map(np.concatenate, zip(empty, *parts, strict=True))
    return starts_of([len(part[0]) for part in parts]), ids, labels, crowd


def _whole_columns(
    lists: list[Sequence[Any]], categories: Categories
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """The columns if all segments are as they have to be; None if one is not."""
    entries = list(chain.from_iterable(lists))
    try:
        pairs = list(map(itemgetter("id", "category_id"), entries))
        crowds = [entry.get("iscrowd", 0) for entry in entries]
        plain = {0, 1} >= {*crowds}
    except (KeyError, TypeError, IndexError, AttributeError):
        return None
    ids, no_id = column([pair[0] for pair in pairs], identity)
    own, no_category = column([pair[1] for pair in pairs], identity)
    starts = starts_of([len(part) for part in lists])
    images = np.repeat(np.arange(len(lists)), np.diff(starts))
    possible = (ids > VOID) & (ids <= MAX_SEGMENT_ID)
    unique = len(np.unique(images * (MAX_SEGMENT_ID + 1) + ids)) == len(ids)
    listed = np.isin(own, categories.ids)
    if no_id.any() or no_category.any() or not (plain and unique and (possible & listed).all()):
        return None
    return starts, ids, np.searchsorted(categories.ids, own), np.array(crowds, dtype=bool)


def _segments_of(
    entries: Any, number: int | str, categories: Categories, problems: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids, labels and crowds of the segments of an image, without those that have a problem."""
    table = f"image {number}, segment"
    records = complete(entries, ("id", "category_id"), table, problems)
    ids, good = identities(records, "id", table, problems)
    own, has_category = identities(records, "category_id", table, problems)
    check_unique(ids[good], f"the segments of image {number}", problems)
    listed = np.isin(own, categories.ids)
    for row in np.flatnonzero(has_category & ~listed).tolist():
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
    _, which, counts = np.unique(ids, return_inverse=True, return_counts=True)
    good &= listed & possible & (counts[which] == 1)
    return ids[good], np.searchsorted(categories.ids, own[good]), crowd[good].astype(bool)
