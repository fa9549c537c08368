"""Outlines of objects in COCO's format: polygons and run lengths, checked and put into arrays.

The libraries that draw and compare masks are in C and trust their input: coordinates far away
overflow or fill the memory, run lengths that do not cover their mask run over its end. Their input
is checked here.

Letters: M objects, Q polygons of all objects, V numbers, R objects with run lengths.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.columns import are_numbers, column, whole
from vision.annotations.run_lengths import broken_rows, pack_counts
from vision.errors import shown

MIN_NUMBERS = 6  # of a polygon: three points
# The largest absolute coordinate of a polygon in pixels.
MAX_COORDINATE = 1_000_000
# The largest length of a polygon's outline in pixels: drawing one takes 5 points a pixel, each of
# tens of bytes.
MAX_OUTLINE = 1_000_000
MAX_PIXELS = 2**30  # of an image: a mask has a byte for each
EXPECTED = "expected a list of polygons [[x, y, x, y, ...], ...] or run lengths"


class Outlines(NamedTuple):
    """The outlines of M objects.

    Attributes:
        numbers: float64 `(V,)`, x and y in turn, of all polygons.
        starts: int64 `(Q + 1,)`, where the numbers of each polygon begin.
        row_starts: int64 `(M + 1,)`, where the polygons of each object begin.
        run_rows: int64 `(R,)`, the objects with run lengths, ascending.
        run_texts: Packed run lengths of each of them.
    """

    numbers: np.ndarray
    starts: np.ndarray
    row_starts: np.ndarray
    run_rows: np.ndarray
    run_texts: list[bytes]


def read_outlines(
    segmentations: Sequence[Any], sizes: np.ndarray
) -> tuple[Outlines, dict[int, str]]:
    """Check the segmentation of each object, and put them into arrays.

    Args:
        segmentations: For each of M objects its polygons, its run lengths, or None.
        sizes: int64 `(M, 2)`, height and width of each object's image in pixels; 0 where they are
            not known.

    Returns:
        The outlines, and what is wrong with the faulty ones, by row; those are empty.
    """
    polygons: list[Any] = [
        () if one is None or isinstance(one, Mapping) else one for one in segmentations
    ]
    faults = _not_lists(polygons)
    for row in faults:
        polygons[row] = ()
    flat = _flatten(polygons)
    if wrong := _wrong_polygons(*flat):
        for row in wrong:
            polygons[row] = ()
        flat = _flatten(polygons)
    runs: dict[int, bytes] = {}
    for row, one in enumerate(segmentations):
        # Without the size of the image a mask is not read.
        if isinstance(one, Mapping) and sizes[row, 0]:
            try:
                runs[row] = packed_text(one, *sizes[row].tolist())
            except ValueError as error:
                wrong[row] = str(error)
    covered = sizes[[*runs]].prod(axis=1)
    for row in np.array([*runs])[broken_rows([*runs.values()], covered)].tolist():
        del runs[row]
        wrong[row] = (
            "the run lengths of its mask are damaged or do not cover its "
            f"{sizes[row].prod():,} pixels; write them with pycocotools.mask.encode"
        )
    run_rows = np.array([*runs], dtype=np.int64)
    return Outlines(*flat, run_rows, [*runs.values()]), faults | wrong


def outline_fault(segmentation: Any, height: int, width: int) -> str | None:
    """What is wrong with one segmentation; None if it can be drawn.

    Args:
        segmentation: Polygons or run lengths.
        height: Height of its image in pixels.
        width: Width of its image in pixels.
    """
    if not segmentation:
        return f"the segmentation is {shown(segmentation)}, {EXPECTED}"
    return read_outlines([segmentation], np.array([[height, width]]))[1].get(0)


def to_run_lengths(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Packed run lengths of a segmentation that has no fault.

    Args:
        segmentation: Polygons or run lengths.
        height: Height of its image in pixels.
        width: Width of its image in pixels.

    Returns:
        `{"size": [height, width], "counts": bytes or str}`.
    """
    if not isinstance(segmentation, Mapping):
        from pycocotools import mask as mask_tools

        parts = [list(map(float, part)) for part in segmentation]
        return mask_tools.merge(mask_tools.frPyObjects(parts, height, width))
    counts = segmentation["counts"]
    if not isinstance(counts, str | bytes):
        counts = pack_counts(list(map(int, counts)), height=height, width=width)
    return {"size": [height, width], "counts": counts}


def mask_area(segmentation: Any, height: int, width: int) -> float:
    """Number of pixels of a segmentation that has no fault; arguments as in `to_run_lengths`."""
    from pycocotools import mask as mask_tools

    return float(mask_tools.area(to_run_lengths(segmentation, height, width)))


def _not_lists(outlines: Sequence[Any]) -> dict[int, str]:
    """The outlines that are not lists of lists of numbers, by row."""
    if _are_polygons(outlines):
        return {}
    return {
        row: f"the segmentation is {shown(outline)}, {EXPECTED}"
        for row, outline in enumerate(outlines)
        if not _are_polygons([outline])
    }


def _are_polygons(outlines: Sequence[Any]) -> bool:
    lists = (list, tuple)
    if not all(issubclass(kind, lists) for kind in set(map(type, outlines))):
        return False
    parts = set(map(type, chain.from_iterable(outlines)))
    if not all(issubclass(kind, (*lists, np.ndarray)) for kind in parts):
        return False
    return are_numbers(set(map(type, chain.from_iterable(chain.from_iterable(outlines)))))


def _flatten(outlines: Iterable[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    outlines = list(outlines)
    row_starts = starts_of(list(map(len, outlines)))
    parts = list(chain.from_iterable(outlines))
    starts = starts_of(list(map(len, parts)))
    values = chain.from_iterable(parts)
    try:
        numbers = np.fromiter(values, np.float64, count=int(starts[-1]))
    except OverflowError:  # an integer of hundreds of digits
        numbers = np.array([_as_float(value) for value in chain.from_iterable(parts)])
    return numbers, starts, row_starts


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _wrong_polygons(
    numbers: np.ndarray, starts: np.ndarray, row_starts: np.ndarray
) -> dict[int, str]:
    """What is wrong with the polygons of an object, by its row."""
    lengths = np.diff(starts)
    row_of = np.repeat(np.arange(len(row_starts) - 1), np.diff(row_starts))
    found = {}
    for part in np.flatnonzero((lengths < MIN_NUMBERS) | (lengths % 2 == 1)).tolist():
        count = int(lengths[part])
        what = f"an odd count of numbers ({count})" if count % 2 else f"{count // 2} points"
        found[int(row_of[part])] = f"a polygon has {what}, expected x and y of 3 points or more"
    if not len(numbers):
        return found
    # Also false for NaN.
    near = (numbers >= -MAX_COORDINATE) & (numbers <= MAX_COORDINATE)
    for place in np.flatnonzero(~near).tolist():
        row = int(row_of[np.searchsorted(starts, place, side="right") - 1])
        found[row] = (
            f"a polygon has the coordinate {numbers[place]:g}, expected pixels, "
            f"-{MAX_COORDINATE:,} to {MAX_COORDINATE:,}"
        )
    found.update(_too_long(numbers, starts, row_of, found))
    return found


def _too_long(
    numbers: np.ndarray, starts: np.ndarray, row_of: np.ndarray, wrong: Mapping[int, str]
) -> dict[int, str]:
    """Polygons whose outline is longer than `MAX_OUTLINE`, by row of the object."""
    filled = np.flatnonzero(np.diff(starts))
    spans = np.maximum.reduceat(numbers, starts[filled]) - np.minimum.reduceat(
        numbers, starts[filled]
    )
    found = {}
    # No edge is longer than the span of all numbers: few polygons have to be measured.
    for part in filled[spans * np.diff(starts)[filled] > MAX_OUTLINE].tolist():
        row = int(row_of[part])
        points = numbers[starts[part] : starts[part + 1]]
        if row in wrong:
            continue
        points = points.reshape(-1, 2)
        length = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum()
        if length > MAX_OUTLINE:
            found[row] = (
                f"the outline of a polygon is {length:,.0f} pixels long, expected at most "
                f"{MAX_OUTLINE:,}"
            )
    return found


def packed_text(segmentation: Mapping[str, Any], height: int, width: int) -> bytes:
    """Pack run lengths of the size of their image; whether they cover it is not checked.

    Args:
        segmentation: `{"size": [height, width], "counts": ...}`, counts packed or as a list.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Raises:
        ValueError: The image has another size, or the counts are not run lengths.
    """
    if "size" not in segmentation or "counts" not in segmentation:
        raise ValueError(f"the segmentation is {shown(segmentation)}, {EXPECTED}")
    stated, counts = segmentation["size"], segmentation["counts"]
    sides = stated if isinstance(stated, list | tuple) else ()
    # Most are plain numbers, and there are many.
    plain = [*map(type, sides)] == [int, int]
    size = [*sides] if plain else [whole(side) for side in sides]
    if size != [height, width]:
        raise ValueError(
            f"the mask has the size {shown(stated)}, its image {[height, width]} (height, width)"
        )
    if isinstance(counts, bytes):
        return counts
    if isinstance(counts, str) and counts.isascii():
        return counts.encode()
    pixels = height * width
    lengths, refused = column(list(counts) if isinstance(counts, list | tuple) else [], whole)
    if not len(lengths) or refused.any() or lengths.min() < 0 or lengths.max() > pixels:
        raise ValueError(
            f"the run lengths ('counts') of its mask are {shown(counts)}, expected a list of whole "
            f"numbers, 0 to {pixels:,}, or their packed text"
        )
    if (total := int(lengths.sum())) != pixels:
        raise ValueError(
            f"the run lengths of its mask sum to {total:,}, expected {height} x {width} = "
            f"{pixels:,}"
        )
    return pack_counts(lengths.tolist(), height=height, width=width)


def starts_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Offsets of consecutive pieces of given lengths, and the end of the last: int64 `(n + 1,)`."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
