"""Precision and recall of scores at every threshold, and their summaries per class."""

from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """Precision over recall, by falling threshold.

    Attributes:
        recall: float64 `(P,)`, ascending from 0 on, one place for each score that occurs.
        precision: float64 `(P,)`.
        threshold: float64 `(P,)`, the lowest score that is taken.
        average_precision: Sum of the precisions, each weighted by the recall that it adds; NaN if
            nothing is positive.
    """

    recall: np.ndarray
    precision: np.ndarray
    threshold: np.ndarray
    average_precision: float

    def thinned(self, maximum: int = 200) -> "Curve":
        """The same curve with at most `maximum` points, evenly spread over the recall."""
        if len(self.recall) <= maximum:
            return self
        wanted = np.linspace(0, self.recall[-1], maximum)
        kept = np.unique(np.searchsorted(self.recall, wanted).clip(max=len(self.recall) - 1))
        return Curve(
            self.recall[kept], self.precision[kept], self.threshold[kept], self.average_precision
        )


def precision_recall(
    scores: np.ndarray, positive: np.ndarray, *, total: int | None = None
) -> Curve:
    """The curve of some scores; equal ones are taken together.

    Args:
        scores: float `(N,)`.
        positive: bool `(N,)`, whether each is right.
        total: Number of positives that there are; None uses those among the scores.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = np.asarray(scores, np.float64)[order]
    right = np.cumsum(np.asarray(positive, bool)[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else order
    hits = right[ends].astype(np.float64)
    count = int(right[-1]) if total is None and len(right) else (total or 0)
    precision = hits / (ends + 1)
    recall = hits / count if count else np.full(len(hits), np.nan)
    average = float(np.sum(np.diff(recall, prepend=0) * precision)) if count else float("nan")
    return Curve(recall, precision, ranked[ends], average)


def class_curves(scores: np.ndarray, labels: np.ndarray) -> list[Curve]:
    """One class against all others, for each class.

    Args:
        scores: float `(N, K)`, probability of each class.
        labels: int `(N,)`, true class index.
    """
    return [precision_recall(scores[:, k], labels == k) for k in range(scores.shape[1])]


def micro_curve(scores: np.ndarray, labels: np.ndarray) -> Curve:
    """The decisions of all classes in one curve.

    Args:
        scores: float `(N, K)`, probability of each class.
        labels: int `(N,)`, true class index.
    """
    positive = np.arange(scores.shape[1]) == np.asarray(labels)[:, None]
    return precision_recall(scores.ravel(), positive.ravel())


def macro_curve(curves: list[Curve], points: int = 101) -> Curve:
    """The mean precision of the classes that occur, at fixed recalls.

    At a recall a class has the best precision of its curve at that recall or a higher one, as
    average precision interpolates it.

    Args:
        curves: One per class.
        points: Number of recalls, from 0 to 1.
    """
    grid = np.linspace(0, 1, points)
    known = [curve for curve in curves if not np.isnan(curve.average_precision)]
    if not known:
        return Curve(grid, np.full(points, np.nan), np.full(points, np.nan), float("nan"))
    rows = []
    for curve in known:
        best = np.append(np.maximum.accumulate(curve.precision[::-1])[::-1], 0.0)
        rows.append(best[np.searchsorted(curve.recall, grid - 1e-12)])
    mean = float(np.mean([curve.average_precision for curve in known]))
    return Curve(grid, np.mean(rows, axis=0), np.full(points, np.nan), mean)
