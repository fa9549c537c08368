"""Matching of results with objects by COCO's rules, for all images and categories at once.

Images and categories do not depend on each other, and few results overlap an object of their
category by half: the pairs of those are found first, and the rules of `COCOeval.evaluateImg`, the
evaluation by COCO's authors (pycocotools), are followed for them alone.

Letters: G objects, N results, P pairs of a result and an object, A = 4 sizes, T = 10 thresholds.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

Json = Mapping[str, Any]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
# Smallest and largest area in pixels: all, small, medium, large.
AREAS = np.array([(0, 1e5**2), (0, 32**2), (32**2, 96**2), (96**2, 1e5**2)])
# pycocotools takes an overlap of 1 less rounding for 1.
_WHOLE = 1 - 1e-10
_PAIRS_AT_ONCE = 2**16


class Objects(NamedTuple):
    """Ground truth, by group: the category and image of an object, or its image alone.

    Attributes:
        groups: int64 `(G,)`, ascending.
        boxes: float64 `(G, 4)`, `(x, y, width, height)` in pixels.
        masks: Packed run lengths of each, where masks are evaluated.
        crowds: bool `(G,)`.
        ignored: bool `(A, G)`, crowds and those of another size.
        unmatched: bool `(G,)`, those whose id is 0, which is pycocotools' mark of no match.
    """

    groups: np.ndarray
    boxes: np.ndarray
    masks: list[Any]
    crowds: np.ndarray
    ignored: np.ndarray
    unmatched: np.ndarray


class Results(NamedTuple):
    """Results, by group and falling score; of equal ones the first.

    Attributes:
        groups: int64 `(N,)`, ascending.
        boxes: float64 `(N, 4)`, `(x, y, width, height)` in pixels.
        masks: Packed run lengths of each, where masks are evaluated.
        scores: float64 `(N,)`.
        ranks: int64 `(N,)`, place in the group from 0 on.
        inside: bool `(A, N)`, whether the area is of that size.
    """

    groups: np.ndarray
    boxes: np.ndarray
    masks: list[Any]
    scores: np.ndarray
    ranks: np.ndarray
    inside: np.ndarray


class Matches(NamedTuple):
    """M matches, each of a size and a threshold: int64 `(M,)` each.

    Attributes:
        sizes: Index in `AREAS`.
        thresholds: Index in `THRESHOLDS`.
        results: Index of the result.
        objects: Index of the object.
    """

    sizes: np.ndarray
    thresholds: np.ndarray
    results: np.ndarray
    objects: np.ndarray


def sort_objects(rows: Sequence[Json], groups: np.ndarray, order: np.ndarray, kind: str) -> Objects:
    """The ground truth as columns.

    Args:
        rows: Annotations as `vision.metrics.coco.files.read_truth` prepares them.
        groups: Group of each.
        order: The rows by group.
        kind: `"bbox"` or `"segm"`.
    """
    areas, crowds, ids = (_column(rows, key)[order] for key in ("area", "iscrowd", "id"))
    crowds = crowds != 0
    return Objects(
        groups=groups[order],
        boxes=_boxes(rows)[order],
        masks=_masks(rows, order, kind),
        crowds=crowds,
        ignored=crowds | ~_are_inside(areas),
        unmatched=ids == 0,
    )


def sort_results(
    rows: Sequence[Json], groups: np.ndarray, order: np.ndarray, kind: str, maximum: int
) -> Results:
    """The results as columns, those of the highest scores of each group.

    Args:
        rows: Results as `vision.metrics.coco.results.read_results` prepares them.
        groups: Group of each.
        order: The rows by group and falling score.
        kind: `"bbox"` or `"segm"`.
        maximum: Number of results of a group that count.
    """
    ranks = np.arange(len(order)) - np.searchsorted(groups[order], groups[order])
    order, ranks = order[ranks < maximum], ranks[ranks < maximum]
    return Results(
        groups=groups[order],
        boxes=_boxes(rows)[order],
        masks=_masks(rows, order, kind),
        scores=_column(rows, "score")[order],
        ranks=ranks,
        inside=_are_inside(_column(rows, "area")[order]),
    )


def match(results: Results, objects: Objects, kind: str) -> Matches:
    """Match results with objects, at every size and threshold.

    A result gets the object of the highest overlap that no result before it has; of equal ones the
    last. Those of another size and crowds come after all others; a crowd may be matched repeatedly.

    Args:
        results: The results.
        objects: The ground truth.
        kind: `"bbox"` or `"segm"`.
    """
    pairs = _mask_pairs if kind == "segm" else _box_pairs
    found, objs, overlaps = pairs(results, objects)
    # The results of a group come one after the other, those of all groups at the same time.
    firsts = np.flatnonzero(np.diff(found, prepend=-1))
    groups = results.groups[found[firsts]]
    places = np.arange(len(groups)) - np.searchsorted(groups, groups)
    turns = np.repeat(places, np.diff(firsts, append=len(found)))  # (P,)
    order = np.argsort(turns, kind="stable")
    found, objs, overlaps = found[order], objs[order], overlaps[order]
    ends = np.cumsum(np.bincount(turns)).tolist() if len(turns) else []
    taken = np.zeros((len(AREAS), len(THRESHOLDS), len(objects.groups)), dtype=bool)
    matches = []
    for start, end in zip([0, *ends], ends, strict=False):
        sizes, thresholds, chosen = _turn(
            found[start:end], objs[start:end], overlaps[start:end], taken, objects
        )
        chosen += start
        taken[sizes, thresholds, objs[chosen]] = True
        matches.append((sizes, thresholds, found[chosen], objs[chosen]))
    columns = zip(*matches, strict=True) if matches else [[np.zeros(0, np.int64)]] * 4
    return Matches(*map(np.concatenate, columns))


def _turn(
    found: np.ndarray, objs: np.ndarray, overlaps: np.ndarray, taken: np.ndarray, objects: Objects
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, thresholds and pairs of the matches of one result of each group."""
    firsts = np.flatnonzero(np.diff(found, prepend=-1))
    lengths = np.diff(firsts, append=len(found))
    limits = np.minimum(THRESHOLDS, _WHOLE)[:, None]
    fits = (overlaps >= limits) & (~taken[:, :, objs] | objects.crowds[objs])  # (A, T, P)
    wanted = fits & ~objects.ignored[:, None, objs]
    any_wanted = np.logical_or.reduceat(wanted, firsts, axis=2)
    fits = np.where(np.repeat(any_wanted, lengths, axis=2), wanted, fits)
    best = np.maximum.reduceat(np.where(fits, overlaps, -1), firsts, axis=2)
    fits &= overlaps == np.repeat(best, lengths, axis=2)
    places = np.where(fits, np.arange(len(found)), -1)
    chosen = np.maximum.reduceat(places, firsts, axis=2)
    sizes, thresholds, here = np.nonzero(chosen >= 0)
    return sizes, thresholds, chosen[sizes, thresholds, here]


def _box_pairs(results: Results, objects: Objects) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of a group that overlap by half or more, by result: `(P,)` each, and overlaps."""
    starts = np.searchsorted(objects.groups, results.groups)
    counts = np.searchsorted(objects.groups, results.groups, side="right") - starts
    # Pairs whose arrays stay in the processor's cache; those of one result at least.
    chunks = np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS_AT_ONCE, prepend=-1)).tolist()
    parts = []
    for start, end in zip(chunks, [*chunks[1:], len(counts)], strict=True) if chunks else ():
        many, first = counts[start:end], starts[start:end]
        found = np.repeat(np.arange(start, end), many)
        objs = np.arange(len(found)) - np.repeat(np.cumsum(many) - many - first, many)
        overlaps = _box_overlaps(results.boxes[found], objects.boxes[objs], objects.crowds[objs])
        near = np.flatnonzero(overlaps >= THRESHOLDS[0])
        parts.append((found[near], objs[near], overlaps[near]))
    return _joined(parts)


def _box_overlaps(results: np.ndarray, objects: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """Overlap of each pair of boxes, by the area of the result for crowds."""
    (x, y, w, h), (x2, y2, w2, h2) = results.T, objects.T
    width = np.minimum(x + w, x2 + w2) - np.maximum(x, x2)
    height = np.minimum(y + h, y2 + h2) - np.maximum(y, y2)
    common = np.where((width > 0) & (height > 0), width * height, 0)
    area = w * h
    union = np.where(crowds, area, area + w2 * h2 - common)
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def _mask_pairs(results: Results, objects: Objects) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_box_pairs`, of masks."""
    from pycocotools import mask as mask_tools

    groups = np.intersect1d(results.groups, objects.groups)
    ranges = [
        np.searchsorted(side.groups, groups, side=end).tolist()
        for side in (results, objects)
        for end in ("left", "right")
    ]
    parts = []
    crowds = objects.crowds.astype(int).tolist()
    for start, end, first, last in zip(*ranges, strict=True):
        overlaps = mask_tools.iou(
            results.masks[start:end], objects.masks[first:last], crowds[first:last]
        )
        place, obj = np.nonzero(overlaps >= THRESHOLDS[0])
        parts.append((start + place, first + obj, overlaps[place, obj]))
    return _joined(parts)


def _joined(
    parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    found, objs, overlaps = map(np.concatenate, zip(*parts, strict=True))
    return found, objs, overlaps


def _column(rows: Sequence[Json], key: str) -> np.ndarray:
    return np.fromiter(map(itemgetter(key), rows), np.float64, len(rows))


def _boxes(rows: Sequence[Json]) -> np.ndarray:
    return np.array(list(map(itemgetter("bbox"), rows)), np.float64).reshape(-1, 4)


def _masks(rows: Sequence[Json], order: np.ndarray, kind: str) -> list[Any]:
    return [rows[place]["segmentation"] for place in order.tolist()] if kind == "segm" else []


def _are_inside(areas: np.ndarray) -> np.ndarray:
    return (areas >= AREAS[:, :1]) & (areas <= AREAS[:, 1:])
