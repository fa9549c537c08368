"""Calibration of predicted probabilities, in bins of confidence.

"On Calibration of Modern Neural Networks", C. Guo et al., 2017, arXiv:1706.04599, section 2.
"""

from dataclasses import dataclass

import numpy as np

from vision.errors import ConfigError
from vision.options import check_number

BINS = 15  # as in the paper


@dataclass(frozen=True, eq=False)
class Calibration:
    """Counts and accuracy of predictions per bin of confidence.

    Bin m holds the confidences in `(edges[m], edges[m + 1]]`, the first one 0 too. Counts of
    several sets of predictions add up.

    Attributes:
        counts: int64 `(M,)` predictions in each bin.
        right: int64 `(M,)` correct predictions in each bin.
        sure: float64 `(M,)` sum of their confidences.
    """

    counts: np.ndarray
    right: np.ndarray
    sure: np.ndarray

    @classmethod
    def of(cls, confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> "Calibration":
        """Sort predictions into bins of equal width.

        Args:
            confidence: float `(N,)`, probability of what was predicted, in [0, 1].
            right: bool `(N,)`, whether it is true.
            bins: M, number of bins.

        Raises:
            ConfigError: A confidence is not in [0, 1], or there are no bins.
        """
        confidence = np.asarray(confidence, np.float64)
        check_number("bins", bins, minimum=1)
        if len(confidence) and not (confidence.min() >= 0 and confidence.max() <= 1):
            raise ConfigError(
                f"confidences from {confidence.min():g} to {confidence.max():g} are not"
                " probabilities: expected values in [0, 1]."
            )
        edges = np.linspace(0, 1, bins + 1)
        place = np.maximum(np.searchsorted(edges, confidence, side="left") - 1, 0)
        return cls(
            counts=np.bincount(place, minlength=bins),
            right=np.bincount(place[np.asarray(right, bool)], minlength=bins),
            sure=np.bincount(place, weights=confidence, minlength=bins).astype(np.float64),
        )

    def __add__(self, other: "Calibration") -> "Calibration":
        """The predictions of both."""
        return Calibration(
            self.counts + other.counts, self.right + other.right, self.sure + other.sure
        )

    @property
    def edges(self) -> np.ndarray:
        """float64 `(M + 1,)`, borders of the bins, ascending from 0 to 1."""
        return np.linspace(0, 1, len(self.counts) + 1)

    @property
    def accuracy(self) -> np.ndarray:
        """float64 `(M,)`, share that is right; NaN in empty bins."""
        return self._per_prediction(self.right)

    @property
    def confidence(self) -> np.ndarray:
        """float64 `(M,)`, mean confidence; NaN in empty bins."""
        return self._per_prediction(self.sure)

    @property
    def error(self) -> float:
        """Expected calibration error (equation 3): the mean gap, each prediction counting once.

        In [0, 1]; NaN without predictions.
        """
        total = self.counts.sum()
        return float(np.abs(self.right - self.sure).sum() / total) if total else float("nan")

    @property
    def largest_error(self) -> float:
        """Maximum calibration error (equation 5): the gap of the worst bin; NaN without any."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nanmax(gaps)) if self.counts.any() else float("nan")

    def _per_prediction(self, values: np.ndarray) -> np.ndarray:
        nothing = np.full(len(self.counts), np.nan)
        return np.divide(values, self.counts, out=nothing, where=self.counts > 0)
