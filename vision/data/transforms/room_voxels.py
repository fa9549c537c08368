"""The voxels of a cloud of points: which points share one, and which of them stands for it.

Letters: P points, V voxels that hold points.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from vision.errors import DataError

# Voxels of one cloud; more are a wrong voxel size, or another unit of the coordinates.
MAX_VOXELS = 10**6


class Voxels(NamedTuple):
    """The voxels of a cloud, in the order of their coordinates x, y, z, the first one first.

    Attributes:
        coords: float32 `(P, 3)` place of each point in voxels from the lowest corner; its floor is
            the voxel.
        voxel_of: int64 `(P,)` voxel of each point.
        order: int64 `(P,)` points sorted by voxel, otherwise as they stand.
        starts: int64 `(V,)` place in `order` of the first point of each voxel.
    """

    coords: np.ndarray
    voxel_of: np.ndarray
    order: np.ndarray
    starts: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Points of each voxel, int64 `(V,)`."""
        return np.diff(self.starts, append=len(self.order))


def find_voxels(points: np.ndarray, size: float, path: str = "the cloud") -> Voxels:
    """Divide a cloud into voxels.

    Args:
        points: float `(P, 3)` in metres, finite, of one or more points.
        size: Side of a voxel in metres.
        path: The file, for errors.

    Raises:
        DataError: There are more than `MAX_VOXELS` voxels.
    """
    places = points.astype(np.float64)
    places -= places.min(axis=0)
    places /= size
    coords = places.astype(np.float32)
    cells = np.floor(coords).astype(np.int64)
    high = cells.max(axis=0) + 1
    if np.prod(high.astype(np.float64)) >= 2.0**63:
        _refuse(points, size, path, "more voxels than can be numbered")
    keys = (cells[:, 0] * high[1] + cells[:, 1]) * high[2] + cells[:, 2]
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    if len(first) > MAX_VOXELS:
        _refuse(points, size, path, f"{len(first):,} voxels")
    voxel_of = np.empty(len(keys), np.int64)
    voxel_of[order] = np.repeat(np.arange(len(first)), np.diff(first, append=len(keys)))
    return Voxels(coords, voxel_of, order, first)


def _refuse(points: np.ndarray, size: float, path: str, found: str) -> None:
    sides = " x ".join(f"{side:.3g}" for side in (points.max(axis=0) - points.min(axis=0)).tolist())
    raise DataError(
        f"'{path}': its {len(points):,} points, {sides} metres, lie in {found} of {size:g} metres; "
        f"expected at most {MAX_VOXELS:,}. Train with a larger data.voxel_size, bring the "
        "coordinates to metres (data.unit_m), or cut the cloud into several."
    )


def nearest_to_centres(voxels: Voxels, others: Sequence[np.ndarray]) -> np.ndarray:
    """The point of each voxel that is nearest to its centre, whatever the order of the points.

    Args:
        voxels: The voxels.
        others: Arrays `(P, n)` that decide between points at equal distances, the first one
            first: the smaller value wins, in the first column first.

    Returns:
        int64 `(V,)`, indices of points.
    """
    offsets = voxels.coords.astype(np.float64)
    offsets -= np.floor(offsets) + 0.5
    distances = np.einsum("pc,pc->p", offsets, offsets)
    nearest = np.minimum.reduceat(distances[voxels.order], voxels.starts)
    equal = np.flatnonzero(distances == nearest[voxels.voxel_of])
    owners = voxels.voxel_of[equal]
    alone = np.bincount(owners)[owners] == 1
    chosen = np.empty(len(voxels.starts), np.int64)
    chosen[owners[alone]] = equal[alone]
    tied, owners = equal[~alone], owners[~alone]
    columns = [column for other in others for column in other[tied].T]
    ranks = np.lexsort([owners, *columns][::-1])
    first = ranks[np.flatnonzero(np.diff(owners[ranks], prepend=-1))]
    chosen[owners[first]] = tied[first]
    return chosen


def any_of_each(voxels: Voxels) -> np.ndarray:
    """Any point of each voxel with equal chances, int64 `(V,)`, by random numbers of PyTorch."""
    sizes = voxels.sizes
    numbers = torch.rand(len(sizes), dtype=torch.float64).numpy()
    chosen: np.ndarray = voxels.order[voxels.starts + (numbers * sizes).astype(np.int64)]
    return chosen


def nearest_to_one(coords: np.ndarray, count: int) -> np.ndarray:
    """The points nearest to a random one of them, by a random number of PyTorch.

    Args:
        coords: float `(V, 3)`.
        count: How many to take, among them the random one.

    Returns:
        int64 `(min(V, count),)`, their indices in ascending order.
    """
    if len(coords) <= count:
        return np.arange(len(coords))
    middle = coords[int(torch.rand((), dtype=torch.float64) * len(coords))]
    distances = ((coords - middle) ** 2).sum(axis=1)
    chosen: np.ndarray = np.sort(np.argpartition(distances, count - 1)[:count])
    return chosen
