"""Errors of depth by distance, and the ratio of prediction to truth, over all pixels of a set.

Unlike `vision.metrics.depth`, which has means over images, each pixel counts once. Letters: V valid
pixels, D intervals of distance, R intervals of the ratio.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

# Intervals of log(prediction / truth): ratios of e^-1 to e, in steps of 0.5 %, and all beyond.
MAX_LOG, PER_UNIT = 1.0, 200
_RATIOS = round(2 * MAX_LOG * PER_UNIT)
# Logarithms of the ratios that are shown, 0.5 to 1.5, and intervals that are shown as one.
SHOWN, TOGETHER = (-0.7, 0.4), 4
# Intervals of distance: at most so many, of a round width.
MAX_INTERVALS = 16
ROUND = (1.0, 2.0, 5.0)
# Of the pixels of an interval, the band that is drawn holds 90 %.
BAND = (0.05, 0.5, 0.95)


def distance_edges(min_depth: float, max_depth: float) -> np.ndarray:
    """Edges of intervals of distance, multiples of a round width.

    Args:
        min_depth: Where they begin, in metres.
        max_depth: Where they end, in metres.

    Returns:
        float64 `(D + 1,)`, ascending; the first is at most `min_depth`, the last at least
        `max_depth`.
    """
    power = 10.0 ** math.floor(math.log10(max_depth - min_depth)) / 10
    widths = (part * power * ten for ten in (1, 10, 100) for part in ROUND)
    for width in widths:
        low = math.floor(min_depth / width + 1e-9)
        high = math.ceil(max_depth / width - 1e-9)
        if high - low <= MAX_INTERVALS:
            break
    return np.arange(low, high + 1) * width


@dataclass(eq=False)
class DepthByDistance:
    """Counts and sums of pixels by their true distance.

    Attributes:
        edges: float64 `(D + 1,)` metres.
        ratios: int64 `(D, R + 2)`, pixels by distance and by the logarithm of prediction over
            truth; the first and the last column hold what lies beyond.
        sums: float64 `(D, 3)`, sums of |d - g| / g, of (d - g)^2 and of max(d / g, g / d) < 1.25.
    """

    edges: np.ndarray
    ratios: np.ndarray
    sums: np.ndarray

    @classmethod
    def empty(cls, min_depth: float, max_depth: float) -> Self:
        """Without a pixel, for depths between two values in metres."""
        edges = distance_edges(min_depth, max_depth)
        count = len(edges) - 1
        return cls(edges, np.zeros((count, _RATIOS + 2), np.int64), np.zeros((count, 3)))

    def update(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Count pixels.

        Args:
            predicted: float64 `(V,)` metres, above 0.
            truth: float64 `(V,)` metres, within the edges.
        """
        count = len(self.edges) - 1
        rows = (np.searchsorted(self.edges, truth, side="right") - 1).clip(0, count - 1)
        logs = np.log(predicted / truth)
        columns = np.floor((logs + MAX_LOG) * PER_UNIT).clip(-1, _RATIOS).astype(np.int64) + 1
        width = _RATIOS + 2
        places = rows * width + columns
        self.ratios += np.bincount(places, minlength=count * width).reshape(count, width)
        relative, squares = np.abs(predicted - truth) / truth, (predicted - truth) ** 2
        near = (np.exp(np.abs(logs)) < 1.25).astype(np.float64)
        for column, values in enumerate((relative, squares, near)):
            self.sums[:, column] += np.bincount(rows, values, minlength=count)

    def __add__(self, other: Self) -> Self:
        """The pixels of both, which have the same edges."""
        return type(self)(self.edges, self.ratios + other.ratios, self.sums + other.sums)

    @property
    def pixels(self) -> np.ndarray:
        """Number of pixels of each interval, int64 `(D,)`."""
        return self.ratios.sum(axis=1)

    def rows(self) -> list[dict[str, float | int | None]]:
        """A row per interval: `near` and `far` in metres, `pixels`, and numbers of these.

        `abs_rel`, `rmse` and `delta1` are as in `vision.metrics.depth`. `low`, `middle` and `high`
        are relative errors d / g - 1 that 5 %, 50 % and 95 % of the pixels lie below. Intervals
        without pixels have None.
        """
        found = []
        for place, count in enumerate(self.pixels.tolist()):
            row: dict[str, float | int | None] = {
                "near": float(self.edges[place]),
                "far": float(self.edges[place + 1]),
                "pixels": count,
            }
            row |= dict.fromkeys(("abs_rel", "rmse", "delta1", "low", "middle", "high"))
            if count:
                relative, square, near = (self.sums[place] / count).tolist()
                low, middle, high = (self._quantile(place, share) for share in BAND)
                numbers = {"abs_rel": relative, "rmse": math.sqrt(square), "delta1": near}
                row |= {**numbers, "low": low, "middle": middle, "high": high}
            found.append(row)
        return found

    def _quantile(self, place: int, share: float) -> float:
        """The relative error that a share of the pixels of an interval lies below."""
        counts = self.ratios[place].cumsum()
        column = int(np.searchsorted(counts, share * counts[-1]))
        middle = (column - 0.5) / PER_UNIT - MAX_LOG
        return math.expm1(min(max(middle, -MAX_LOG), MAX_LOG))

    def ratio_histogram(self) -> Mapping[str, list[float]]:
        """Pixels by prediction over truth: `edges`, one more than `counts`, from 0.5 to 1.5.

        Each interval ends 2 % higher than it begins. Ratios beyond are in the first and the last.
        """
        first, last = (round((log + MAX_LOG) * PER_UNIT) for log in SHOWN)
        places = np.arange(first, last + 1, TOGETHER)
        counts = self.ratios.sum(axis=0)
        # The first column holds what lies below.
        within = counts[1:-1][first:last].reshape(-1, TOGETHER).sum(axis=1)
        within[0] += counts[: first + 1].sum()
        within[-1] += counts[last + 1 :].sum()
        edges = np.exp(places / PER_UNIT - MAX_LOG)
        return {"edges": edges.tolist(), "counts": within.tolist()}
