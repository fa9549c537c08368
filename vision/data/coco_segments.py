"""Segmentations of a COCO file, as JSON gives them, into arrays; what is wrong with them."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from vision.data.segments import Segments, run_lengths, starts_of

LEAST_NUMBERS = 6  # of a polygon: three points


class Polygons(NamedTuple):
    """The polygons of M objects. Letters: Q polygons of all objects, V numbers.

    Attributes:
        numbers: float64 `(V,)`, x and y in turn.
        starts: int64 `(Q + 1,)`, where the numbers of each polygon begin.
        row_starts: int64 `(M + 1,)`, where the polygons of each object begin.
    """

    numbers: np.ndarray
    starts: np.ndarray
    row_starts: np.ndarray


def pack_segmentations(
    segmentations: list[Any], sizes: np.ndarray, name: Callable[[int], str], problems: list[str]
) -> Segments:
    """Pack the segmentation of each object; lists of run lengths are compressed.

    Args:
        segmentations: For each of M objects its polygons, its run lengths, or None.
        sizes: int `(M, 2)`, height and width of each object's image.
        name: Names an object in a message, by its row.
        problems: Takes what is wrong; the outlines of such objects mean nothing.
    """
    polygons = _polygons(segmentations, name, problems)
    rows, counts = [], []
    for row, outline in enumerate(segmentations):
        if isinstance(outline, dict):
            try:
                counts.append(_compressed(outline, *sizes[row].tolist()))
                rows.append(row)
            except ValueError as error:
                problems.append(f"{name(row)}: {error}")
    run_rows = np.array(rows, dtype=np.int64)
    return Segments(
        coordinates=polygons.numbers.astype(np.float32),
        polygon_starts=polygons.starts,
        row_starts=polygons.row_starts,
        run_rows=run_rows,
        run_sizes=sizes[run_rows].astype(np.int32).reshape(-1, 2),
        run_counts=np.frombuffer(b"".join(counts), dtype=np.uint8),
        run_starts=starts_of([len(text) for text in counts]),
    )


def _polygons(
    segmentations: list[Any], name: Callable[[int], str], problems: list[str]
) -> Polygons:
    outlines = [
        () if outline is None or isinstance(outline, dict) else outline for outline in segmentations
    ]
    try:
        polygons = _flatten(outlines)
    except (TypeError, ValueError):  # something is no list or no number
        for row, outline in enumerate(outlines):
            try:
                _flatten([outline])
            except (TypeError, ValueError):
                problems.append(
                    f"{name(row)}: the segmentation is {shown(outline)}, expected a list of "
                    "polygons [[x, y, x, y, ...], ...] or run lengths"
                )
                outlines[row] = ()
        polygons = _flatten(outlines)
    for row, reason in _wrong_polygons(polygons).items():
        problems.append(f"{name(row)}: {reason}")
    return polygons


def _flatten(outlines: Iterable[Any]) -> Polygons:
    outlines = list(outlines)
    row_starts = starts_of(list(map(len, outlines)))
    parts = list(chain.from_iterable(outlines))
    starts = starts_of(list(map(len, parts)))
    numbers = np.fromiter(chain.from_iterable(parts), np.float64, count=int(starts[-1]))
    return Polygons(numbers, starts, row_starts)


def _wrong_polygons(polygons: Polygons) -> dict[int, str]:
    """What is wrong with the polygons of an object, by its row."""
    lengths = np.diff(polygons.starts)
    row_of = np.repeat(np.arange(len(polygons.row_starts) - 1), np.diff(polygons.row_starts))
    found = {}
    for part in np.flatnonzero((lengths < LEAST_NUMBERS) | (lengths % 2 == 1)):
        count = int(lengths[part])
        what = f"an odd count of numbers ({count})" if count % 2 else f"{count // 2} points"
        found[int(row_of[part])] = f"a polygon has {what}, expected x and y of 3 points or more"
    for place in np.flatnonzero(~np.isfinite(polygons.numbers)):
        row = int(row_of[np.searchsorted(polygons.starts, place, side="right") - 1])
        value = polygons.numbers[place]
        found[row] = f"a polygon has the coordinate {value}, expected finite numbers"
    return found


def _compressed(outline: dict[str, Any], height: int, width: int) -> bytes:
    """Compressed run lengths of a mask that has to have the size of its image."""
    size, counts = outline.get("size"), outline.get("counts")
    if size != [height, width]:
        raise ValueError(
            f"the mask has the size {shown(size)}, its image {[height, width]} (height, width)"
        )
    lengths, text = _run_lengths(counts)
    total = int(lengths.sum())
    if total != height * width:
        raise ValueError(
            f"the run lengths of the mask sum to {total}, expected {height} x {width} = "
            f"{height * width}"
        )
    if text is None:
        from pycocotools import mask as coco_mask

        runs = {"size": size, "counts": lengths.tolist()}
        text = coco_mask.frPyObjects(runs, height, width)["counts"]
    return text


def _run_lengths(counts: Any) -> tuple[np.ndarray, bytes | None]:
    """The lengths, and their text if they were compressed already."""
    if isinstance(counts, str):
        try:
            text = counts.encode("ascii")
            return run_lengths(text), text
        except ValueError as error:
            raise ValueError(f"the compressed run lengths are damaged: {error}") from None
    lengths = np.array(counts if isinstance(counts, list) else None)
    if lengths.dtype.kind != "i" or lengths.ndim != 1 or lengths.min() < 0:
        raise ValueError(
            f"the run lengths ('counts') are {shown(counts)}, expected a list of whole numbers "
            "from 0 on, or their compressed text"
        )
    return lengths.astype(np.int64), None


def shown(value: Any, *, most: int = 60) -> str:
    """A value for a message, cut to a length."""
    try:
        text = repr(value)
    except RecursionError:
        return "lists within lists without end"
    return text if len(text) <= most else f"{text[:most]}..."
