"""Maps of segments as transforms change them.

Letters: S segments.
"""

from typing import NamedTuple

import numpy as np

from vision.annotations.panoptic import Segments
from vision.contracts.segments import VOID, SegmentInfo
from vision.errors import DataError

# Ids of augmented maps are two bytes.
MAX_SEGMENTS = 2**16 - 1


class SegmentMap(NamedTuple):
    """The segments of an image, and which pixels belong to them.

    Attributes:
        ids: Integers `(H, W)`, segment id or `VOID`.
        segments: The segments; any of them may have no pixel.
    """

    ids: np.ndarray
    segments: Segments


def number_segments(segmented: SegmentMap) -> SegmentMap:
    """The same segments with the ids 1 to S, in their order.

    Returns:
        The ids are uint16; ids that are not listed become `VOID`.

    Raises:
        DataError: There are more than 65,535.
    """
    ids, segments = segmented
    count = len(segments.ids)
    require_countable(count)
    order = np.argsort(segments.ids)
    known = np.append(segments.ids[order], -1)
    # Neighbours are mostly equal: each run of equal pixels is looked up once.
    flat = ids.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]])[: flat.size])
    runs = flat[starts]
    places = np.searchsorted(known[:-1], runs)
    numbers = np.append(order + 1, VOID)[np.where(known[places] == runs, places, count)]
    numbered = np.repeat(numbers.astype(np.uint16), np.diff(starts, append=flat.size))
    return SegmentMap(
        numbered.reshape(ids.shape), segments._replace(ids=np.arange(1, count + 1, dtype=np.int64))
    )


def require_countable(count: int) -> None:
    """Raise an error if an image has more segments than ids of two bytes can tell apart.

    Raises:
        DataError: It has.
    """
    if count > MAX_SEGMENTS:
        raise DataError(f"an image has {count:,} segments, expected at most {MAX_SEGMENTS:,}.")


def join_stuff(segmented: SegmentMap, things: np.ndarray) -> SegmentMap:
    """Make one segment of all segments of a class of stuff, crowds apart.

    Args:
        segmented: A map with the ids 1 to S.
        things: bool `(K,)`, which classes are things.
    """
    segments = segmented.segments
    count = len(segments.ids)
    owners = np.arange(count)
    stuff = np.flatnonzero(~things[segments.labels] & ~segments.crowd)
    _, first, which = np.unique(segments.labels[stuff], return_index=True, return_inverse=True)
    owners[stuff] = stuff[first][which]
    return _renumber(segmented, owners, owners == np.arange(count))


def drop_unseen(segmented: SegmentMap) -> SegmentMap:
    """Leave out the segments that have no pixel.

    Args:
        segmented: A map with the ids 1 to S.
    """
    count = len(segmented.segments.ids)
    seen = np.bincount(segmented.ids.ravel(), minlength=count + 1)[1:] > 0
    return segmented if seen.all() else _renumber(segmented, np.arange(count), seen)


def labelled_pixels(segmented: SegmentMap, step: int) -> int:
    """Number of pixels that belong to a segment that is no crowd.

    Args:
        segmented: A map with the ids 1 to S.
        step: Only every so-manieth row and column is counted.
    """
    counts = np.bincount(
        segmented.ids[::step, ::step].ravel(), minlength=len(segmented.segments.ids) + 1
    )
    return int(counts[1:][~segmented.segments.crowd].sum())


def segment_infos(segments: Segments, things: np.ndarray) -> list[SegmentInfo]:
    """The segments as in batches.

    Args:
        segments: The segments.
        things: bool `(K,)`, which classes are things.
    """
    rows = zip(*(part.tolist() for part in segments), strict=True)
    return [
        {"id": number, "category_id": label, "isthing": bool(things[label]), "iscrowd": crowd}
        for number, label, crowd in rows
    ]


def _renumber(segmented: SegmentMap, owners: np.ndarray, kept: np.ndarray) -> SegmentMap:
    """Give the pixels of each segment to its owner, and number the kept ones from 1."""
    ids, segments = segmented
    numbers = np.cumsum(kept) * kept
    table = np.concatenate([[VOID], numbers[owners]]).astype(ids.dtype)
    chosen = Segments(*(part[kept] for part in segments))
    return SegmentMap(
        table.take(ids), chosen._replace(ids=np.arange(1, len(chosen.ids) + 1, dtype=np.int64))
    )
