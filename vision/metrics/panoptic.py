"""Panoptic quality: segments of predictions and ground truth, matched and counted.

"Panoptic Segmentation", Kirillov, He, Girshick, Rother and Dollár, 2019, arXiv 1801.00868, section
4. Two segments of one category match if their IoU is above 0.5; void pixels of the ground truth are
in no union. A predicted segment without a match is no false positive if more than half of it is
void or lies in crowd regions of its category. Crowd regions match nothing and are never missed.

One difference from the authors' code (panopticapi): where an image has several crowd regions of one
category, that code looks at the last one alone; here they count together.

Letters: H rows, W columns, K categories, N pairs of segments that overlap.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.annotations.panoptic import Segments
from vision.contracts.segments import VOID, SegmentInfo
from vision.metrics.panoptic_table import PanopticScores
from vision.metrics.processes import sum_arrays

MATCH, IGNORED = 0.5, 0.5


class Overlaps(NamedTuple):
    """Pairs of segments that share pixels; void is a segment too.

    Attributes:
        truth: int64 `(N,)`, id in the ground truth.
        found: int64 `(N,)`, id in the prediction.
        pixels: int64 `(N,)`, how many pixels they share.
    """

    truth: np.ndarray
    found: np.ndarray
    pixels: np.ndarray


def overlaps(truth: np.ndarray, found: np.ndarray) -> Overlaps:
    """Count the pixels of each pair of segments.

    Args:
        truth: Segment ids of the ground truth, integers `(H, W)` in 0 to 2**31 - 1.
        found: Those of the prediction, likewise.
    """
    pairs = (truth.astype(np.int64) << 32 | found).ravel()
    # Segments are wide: sorting the runs of equal pairs costs a fraction of sorting all pixels.
    starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    lengths = np.diff(starts, append=len(pairs))
    unique, places = np.unique(pairs[starts], return_inverse=True)
    pixels = np.bincount(places, weights=lengths).astype(np.int64)
    return Overlaps(unique >> 32, unique & 0xFFFFFFFF, pixels)


class Matches(NamedTuple):
    """The segments of an image, matched. Segments are counted in the order of `Segments`.

    Attributes:
        truth: int64 `(M,)`, number of each matched segment in the ground truth.
        found: int64 `(M,)`, number of its match in the prediction.
        iou: float64 `(M,)`, above 0.5.
        wrong: bool, whether a segment of the prediction is a false positive.
        missed: bool, whether a segment of the ground truth is a false negative.
    """

    truth: np.ndarray
    found: np.ndarray
    iou: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray


def match_segments(
    pairs: Overlaps, truth: Segments, found: Segments, *, any_class: bool = False
) -> Matches:
    """Match the segments of an image.

    Args:
        pairs: Of its two maps of segment ids.
        truth: Segments of the ground truth; each id of `pairs` but `VOID` is among them.
        found: Segments of the prediction, likewise; `crowd` is not looked at.
        any_class: Whether segments of two classes match too, to see which are confused.
    """
    rows, columns = _places(pairs.truth, truth.ids), _places(pairs.found, found.ids)
    pixels, size = pairs.pixels, len(found.ids)
    known = (rows < len(truth.ids)) & (columns < size)
    rows_known, columns_known = rows[known], columns[known]
    same = truth.labels[rows_known] == found.labels[columns_known]
    in_crowd = truth.crowd[rows_known]
    # Of each predicted segment: pixels that are void, and those in crowds of its category.
    void = _sums(columns, np.where(rows == len(truth.ids), pixels, 0), size + 1)
    crowd = _sums(columns_known, np.where(same & in_crowd, pixels[known], 0), size)
    areas = _sums(columns, pixels, size + 1)
    union = _sums(rows, pixels, len(truth.ids) + 1)[rows] + (areas - void)[columns] - pixels
    iou = pixels[known] / union[known]
    match = (iou > MATCH) & (same | any_class) & ~in_crowd
    missed, wrong = ~truth.crowd, (void[:size] + crowd) / areas[:size] <= IGNORED
    missed[rows_known[match]] = wrong[columns_known[match]] = False
    return Matches(rows_known[match], columns_known[match], iou[match], wrong, missed)


def segments_of(infos: Sequence[SegmentInfo]) -> Segments:
    """The segments of an image as columns.

    Args:
        infos: The segments; `category_id` is the index of the category.
    """
    return Segments(
        ids=np.array([info["id"] for info in infos], dtype=np.int64),
        labels=np.array([info["category_id"] for info in infos], dtype=np.int64),
        crowd=np.array([info.get("iscrowd", False) for info in infos], dtype=bool),
    )


class PanopticEvaluator:
    """Adds up the matches of images, over an epoch and over processes.

    Args:
        num_categories: K.
    """

    def __init__(self, num_categories: int) -> None:
        self.num_categories = num_categories
        self.reset()

    def __len__(self) -> int:
        """Number of images that this process has seen."""
        return self._images

    def reset(self) -> None:
        """Forget all images."""
        self._iou = np.zeros(self.num_categories)
        # True positives, false positives, false negatives.
        self._counts = np.zeros((3, self.num_categories), dtype=np.int64)
        self._images = 0

    def update(self, pairs: Overlaps, truth: Segments, found: Segments) -> None:
        """Count an image.

        Args:
            pairs: Of its two maps of segment ids.
            truth: Segments of the ground truth; each id of `pairs` but `VOID` is among them.
            found: Segments of the prediction, likewise; `crowd` is not looked at.
        """
        matches = match_segments(pairs, truth, found)
        matched = truth.labels[matches.truth]
        np.add.at(self._iou, matched, matches.iou)
        for count, labels in zip(
            self._counts,
            (matched, found.labels[matches.wrong], truth.labels[matches.missed]),
            strict=True,
        ):
            np.add.at(count, labels, 1)
        self._images += 1

    def compute(
        self,
        names: list[str],
        ids: np.ndarray,
        things: np.ndarray,
        *,
        all_processes: bool = False,
    ) -> PanopticScores:
        """The result of all images.

        Args:
            names: K names.
            ids: int64 `(K,)`, ids of the categories.
            things: bool `(K,)`; the others are stuff.
            all_processes: Whether the matches of all processes are added up; every process must
                then call it, and the result is the same on each.
        """
        iou, counts = self._iou.copy(), np.concatenate([[self._images], self._counts.ravel()])
        if all_processes:
            iou, counts = sum_arrays(iou), sum_arrays(counts)
        positive, wrong, missed = counts[1:].reshape(self._counts.shape)
        return PanopticScores(
            iou_sum=iou,
            true_positives=positive,
            false_positives=wrong,
            false_negatives=missed,
            things=things,
            ids=ids,
            names=tuple(names),
            images=int(counts[0]),
        )


def _places(wanted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Index of each id among the segments; their number for void."""
    order = np.argsort(ids)
    places = np.full(len(wanted), len(ids))
    inside = wanted != VOID
    places[inside] = order[np.searchsorted(ids, wanted[inside], sorter=order)]
    return places


def _sums(places: np.ndarray, pixels: np.ndarray, length: int) -> np.ndarray:
    return np.bincount(places, weights=pixels, minlength=length).astype(np.int64)
