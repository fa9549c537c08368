"""Precision over recall of each category by COCO's rules, from matches.

Precision and recall change for the better only at a true positive, so that `COCOeval.accumulate`
of pycocotools is followed at these alone: there are as many as objects at most, and of results
many more.

Letters: N results, M matches, A = 4 sizes, T = 10 thresholds, R = 101 recalls, K categories.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from vision.metrics.coco.matching import (
    AREAS,
    THRESHOLDS,
    Matches,
    Objects,
    Results,
    match,
    sort_objects,
    sort_results,
)

RECALLS = np.linspace(0, 1, 101)
_ROWS = len(AREAS) * len(THRESHOLDS)


def average(
    objects: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    kind: str,
    *,
    image_ids: Sequence[int],
    category_ids: Sequence[int],
    max_detections: Sequence[int],
    class_agnostic: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of each category.

    Args:
        objects: Annotations as `vision.metrics.coco.files.read_truth` prepares them.
        results: Results as `vision.metrics.coco.results.read_results` prepares them.
        kind: `"bbox"` or `"segm"`.
        image_ids: Images to evaluate, ascending.
        category_ids: Categories, ascending.
        max_detections: Numbers of results of an image and category, ascending.
        class_agnostic: Whether all categories are compared together, as one.

    Returns:
        Precision, float64 `(T, R, K, A, len(max_detections))`: -1 where there are no objects, and
        but for the largest number of results; and recall, float64 `(T, K, A,
        len(max_detections))`, -1 where there are no objects.
    """
    sides = []
    for rows in (objects, results):
        images, categories = (
            np.searchsorted(ids, np.fromiter(map(itemgetter(key), rows), np.int64, len(rows)))
            for key, ids in (("image_id", image_ids), ("category_id", category_ids))
        )
        sides.append(
            (images if class_agnostic else categories * len(image_ids) + images, categories)
        )
    (groups, categories), (result_groups, result_categories) = sides
    scores = np.fromiter(map(itemgetter("score"), results), np.float64, len(results))
    truth = sort_objects(objects, groups, np.lexsort((categories, groups)), kind)
    order = np.lexsort((result_categories, -scores, result_groups))
    found = sort_results(results, result_groups, order, kind, max_detections[-1])
    matches = match(found, truth, kind)
    count = 1 if class_agnostic else len(category_ids)
    return _curves(truth, found, matches, len(image_ids), count, max_detections)


def _curves(
    objects: Objects,
    results: Results,
    matches: Matches,
    images: int,
    categories: int,
    max_detections: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    shape = len(THRESHOLDS), categories, len(AREAS), len(max_detections)
    labels = objects.groups // images
    counts = np.stack(
        [np.bincount(labels[~ignored], minlength=categories) for ignored in objects.ignored]
    )  # (A, K)
    row, positive, precisions = _true_positives(objects, results, matches, images)
    of_match = results.groups[matches.results] // images * _ROWS
    of_match += matches.sizes * len(THRESHOLDS) + matches.thresholds
    recall = np.full(shape, -1.0)
    known = np.broadcast_to(counts.T, (len(THRESHOLDS), categories, len(AREAS))) > 0
    hits = ~objects.ignored[matches.sizes, matches.objects] & ~objects.unmatched[matches.objects]
    for place, maximum in enumerate(max_detections):
        counted = hits & (results.ranks[matches.results] < maximum)
        true = np.bincount(of_match[counted], minlength=categories * _ROWS)
        true = true.reshape(categories, len(AREAS), len(THRESHOLDS)).transpose(2, 0, 1)
        recall[known, place] = (true / np.maximum(counts.T, 1))[known]
    precision = np.full((shape[0], len(RECALLS), *shape[1:]), -1.0)
    limits = np.searchsorted(row, np.arange(categories + 1) * _ROWS)
    for k in np.flatnonzero(counts.any(axis=0)).tolist():
        here = slice(limits[k], limits[k + 1])
        best = np.zeros((_ROWS, counts[:, k].max()))
        best[row[here] - k * _ROWS, positive[here] - 1] = precisions[here]
        best = np.maximum.accumulate(best[:, ::-1], axis=1)[:, ::-1]
        best = best.reshape(len(AREAS), len(THRESHOLDS), -1)
        for size in np.flatnonzero(counts[:, k]).tolist():
            recalls = np.arange(1, counts[size, k] + 1) / counts[size, k]
            precision[:, :, k, size, -1] = best[size][:, np.searchsorted(recalls, RECALLS)]
    return precision, recall


def _true_positives(
    objects: Objects, results: Results, matches: Matches, images: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The true positives of each category, size and threshold, by falling score.

    Returns:
        Row `(category * A + size) * T + threshold` of each, its number in the row from 1 on, and
        the precision there.
    """
    labels = results.groups // images
    order = np.lexsort((-results.scores, labels))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    # Results of each size up to a place, without those of the categories before.
    inside = np.cumsum(results.inside[:, order], axis=1)
    starts = np.searchsorted(labels, labels[order])
    inside -= np.where(starts > 0, inside[:, starts - 1], 0)

    ignored = objects.ignored[matches.sizes, matches.objects]
    counted = ignored | ~objects.unmatched[matches.objects]
    sizes, thresholds, found, _ = (column[counted] for column in matches)
    ignored = ignored[counted]
    row = (labels[found] * len(AREAS) + sizes) * len(THRESHOLDS) + thresholds
    by_row = np.lexsort((places[found], row))
    row, sizes, found, ignored = (column[by_row] for column in (row, sizes, found, ignored))
    positive = _running(~ignored, row)
    # Unmatched results of another size are no false positives; matched ones never are.
    false = inside[sizes, places[found]] - _running(results.inside[sizes, found], row)
    precisions = positive / (false + positive + np.spacing(1))
    return row[~ignored], positive[~ignored], precisions[~ignored]


def _running(marks: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Number of marks up to each place, within its row."""
    sums = np.cumsum(marks)
    starts = np.searchsorted(row, row)
    return sums - np.where(starts > 0, sums[starts - 1], 0)
