"""Distances between the surfaces of two masks of a volume, in millimetres.

The surface of a mask are its cells that have a neighbour outside, along an axis; beyond the border
of the volume everything is outside. Distances are between the centres of cells, as in MONAI's
`compute_hausdorff_distance` and `compute_average_surface_distance`.

Letters: D, H, W cells along the three axes of an array.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.metrics.volumes.dice import Empty

# The distance of the BraTS challenge where only one of two masks is empty: the diagonal of its
# volumes of 240 x 240 x 155 cells of 1 mm.
BRATS_WORST_MM = 373.13


class SurfaceDistances(NamedTuple):
    """How far the surfaces of two masks that are not empty are from each other.

    Attributes:
        found: float64, for each cell of the surface of the prediction the distance in mm to the
            nearest cell of the surface of the truth.
        truth: float64, for each cell of the surface of the truth that to the prediction's.
    """

    found: np.ndarray
    truth: np.ndarray

    def hausdorff(self, percentile: float = 95) -> float:
        """Hausdorff distance in mm: the larger one of the percentiles of both directions.

        Args:
            percentile: In 0 to 100; 100 gives the largest distance. Between two distances it is
                interpolated.
        """
        return max(float(np.percentile(distances, percentile)) for distances in self)

    def average(self, *, symmetric: bool = True) -> float:
        """Average surface distance in mm.

        Args:
            symmetric: Whether the cells of both surfaces are averaged together; otherwise those of
                the prediction alone.
        """
        return float(np.mean(np.concatenate(self) if symmetric else self.found))


def surface_distances(
    found: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks.

    Time and memory go by the box around both masks, not by the volume.

    Args:
        found: bool `(D, H, W)`, the prediction, with at least one cell.
        truth: bool `(D, H, W)`, likewise.
        spacing: Millimetres between the centres of neighbouring cells along each axis.
    """
    from scipy.ndimage import distance_transform_edt

    box = _box(found | truth)
    found_surface, truth_surface = _surface(found[box]), _surface(truth[box])
    to_truth = distance_transform_edt(~truth_surface, sampling=spacing)[found_surface]
    to_found = distance_transform_edt(~found_surface, sampling=spacing)[truth_surface]
    return SurfaceDistances(to_truth, to_found)


class RegionDistances(NamedTuple):
    """The distances of one region of one subject, in mm; NaN where they are left out.

    Attributes:
        hd95: 95 % Hausdorff distance.
        asd: Symmetric average surface distance.
    """

    hd95: float
    asd: float


def region_distances(
    found: np.ndarray, truth: np.ndarray, spacing: Sequence[float], empty: Empty = "skip"
) -> RegionDistances:
    """Measure one region, which may be empty in either mask.

    Args:
        found: bool `(D, H, W)`, the prediction.
        truth: bool `(D, H, W)`.
        spacing: Millimetres between the centres of neighbouring cells along each axis.
        empty: How an empty mask counts.

    Returns:
        The distances. If a mask is empty there is none: NaN with `"skip"`; with `"brats"` 0 if both
        are empty and `BRATS_WORST_MM` if one is.
    """
    in_found, in_truth = bool(found.any()), bool(truth.any())
    if in_found and in_truth:
        distances = surface_distances(found, truth, spacing)
        return RegionDistances(distances.hausdorff(95), distances.average())
    if empty == "skip":
        return RegionDistances(math.nan, math.nan)
    worst = BRATS_WORST_MM if in_found or in_truth else 0.0
    return RegionDistances(worst, worst)


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around the cells of a mask."""
    places = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        places.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(places)


def _surface(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    return mask & ~binary_erosion(mask)
