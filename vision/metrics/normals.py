"""Angles between predicted and true surface normals, over all pixels of a set together.

The numbers are those of "Data-Driven 3D Primitives for Single Image Understanding", Fouhey, Gupta
and Hebert, 2013, as published for NYUv2 since.

Letters: H rows, W columns.
"""

import math
from dataclasses import dataclass

import numpy as np

from vision.errors import DataError
from vision.metrics.processes import sum_arrays
from vision.metrics.text_table import cell, columns

THRESHOLDS = (11.25, 22.5, 30.0)
# The median is found among intervals of this width, in degrees.
INTERVAL = 1e-4
_INTERVALS = round(180 / INTERVAL) + 1


@dataclass(frozen=True)
class NormalsScores:
    """Result of an evaluation of normals.

    Attributes:
        mean: Mean angle in degrees.
        median: Median angle in degrees, to `INTERVAL`.
        rmse: Root of the mean squared angle, in degrees.
        shares: Shares of pixels with an angle below each of `THRESHOLDS`.
        pixels: Number of pixels that count.
        images: Number of images.
    """

    mean: float
    median: float
    rmse: float
    shares: tuple[float, ...]
    pixels: int
    images: int

    def scalars(self) -> dict[str, float]:
        """`mean`, `median`, `rmse`, `below_11.25`, `below_22.5` and `below_30`."""
        shares = {
            f"below_{threshold:g}": share
            for threshold, share in zip(THRESHOLDS, self.shares, strict=True)
        }
        return {"mean": self.mean, "median": self.median, "rmse": self.rmse, **shares}

    def table(self) -> str:
        """The numbers as text."""
        numbers = self.scalars()
        return "\n".join(columns([list(numbers), [cell(value) for value in numbers.values()]]))

    def to_json(self) -> dict[str, float | int]:
        """The numbers, `pixels` and `images`."""
        return {**self.scalars(), "pixels": self.pixels, "images": self.images}


class NormalsEvaluator:
    """Adds up the angles of images, in 14 MB however many there are."""

    def __init__(self) -> None:
        self.reset()

    def __len__(self) -> int:
        """Number of images."""
        return self._images

    def reset(self) -> None:
        """Forget all images."""
        self._sums = np.zeros(2)
        self._below = np.zeros(len(THRESHOLDS), dtype=np.int64)
        self._histogram = np.zeros(_INTERVALS, dtype=np.int64)
        self._images = 0

    def update(self, angles: np.ndarray) -> None:
        """Count an image.

        Args:
            angles: float64, any number of them, in degrees, as `angles_between` gives them.
        """
        self._sums += angles.sum(), (angles**2).sum()
        self._below += [int((angles < threshold).sum()) for threshold in THRESHOLDS]
        places = (angles / INTERVAL).round().astype(np.int64)
        self._histogram += np.bincount(places, minlength=_INTERVALS)
        self._images += 1

    def compute(self, *, all_processes: bool = False) -> NormalsScores:
        """The result of all images.

        Args:
            all_processes: Whether those of other processes count too; every process must then call
                it, and gets the same.

        Raises:
            DataError: No pixel counts.
        """
        sums, counts = self._sums, np.concatenate([[self._images], self._below, self._histogram])
        if all_processes:
            sums, counts = sum_arrays(sums), sum_arrays(counts)
        images, below, histogram = int(counts[0]), *np.split(counts[1:], [len(THRESHOLDS)])
        pixels = int(histogram.sum())
        if not pixels:
            raise DataError(
                f"none of {images:,} annotations has a pixel with a normal. Check that they"
                " are normals: black, middle grey, zero and NaN stand for none."
            )
        ranks = histogram.cumsum()
        middle = np.searchsorted(ranks, [(pixels - 1) // 2, pixels // 2], side="right")
        return NormalsScores(
            mean=float(sums[0] / pixels),
            median=float(middle.mean() * INTERVAL),
            rmse=math.sqrt(sums[1] / pixels),
            shares=tuple((below / pixels).tolist()),
            pixels=pixels,
            images=images,
        )


def angles_between(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Angles of the pixels that have a true normal.

    Args:
        predicted: float `(H, W, 3)` unit vectors.
        truth: Likewise; NaN where there is none.

    Returns:
        float64 in degrees, 0 to 180, one for each pixel that counts.

    Raises:
        DataError: A pixel that counts has no predicted normal.
    """
    known = ~np.isnan(truth).any(axis=-1)
    predicted, truth = predicted[known], truth[known]
    missing = int(np.isnan(predicted).any(axis=-1).sum())
    if missing:
        raise DataError(
            f"{missing:,} of {len(truth):,} pixels that have a true normal have no prediction"
            " (black, middle grey, zero or NaN). Predict one for each pixel."
        )
    cosines = (predicted * truth).sum(axis=-1).clip(-1, 1)
    return np.degrees(np.arccos(cosines))
