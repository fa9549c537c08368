"""Labels on another grid, taken from the nearest cells."""

from collections.abc import Sequence

import numpy as np

from vision.contracts.volumes import IGNORED


def nearest_cells(
    mask: np.ndarray, affine: np.ndarray, wanted: np.ndarray, size: Sequence[int]
) -> np.ndarray:
    """Bring a mask to another grid.

    Args:
        mask: uint8 `(D, H, W)` class index.
        affine: `(4, 4)`, of its cells.
        wanted: `(4, 4)`, of the cells of the other grid.
        size: Cells d, h, w of that grid.

    Returns:
        uint8 `(d, h, w)`, `IGNORED` beyond the mask.
    """
    move = np.linalg.inv(affine) @ wanted
    found = np.full(tuple(size), IGNORED, dtype=np.uint8)
    rows, columns = np.indices(tuple(size[1:]))
    for first in range(size[0]):
        steps = [
            np.rint(line[0] * first + line[1] * rows + line[2] * columns + line[3]).astype(np.int64)
            for line in move[:3]
        ]
        inside = np.ones(rows.shape, dtype=bool)
        for step, side in zip(steps, mask.shape, strict=True):
            inside &= (step >= 0) & (step < side)
        found[first][inside] = mask[tuple(step[inside] for step in steps)]
    return found
