"""Random masks of volumes, blobs and single cells, as regions are."""

import numpy as np


def random_masks(
    seed: int, count: int = 3, size: tuple[int, int, int] = (14, 9, 11)
) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and a truth that overlap in part.

    Returns:
        bool `(count, *size)` each, with at least one cell in each mask; some touch the border.
    """
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1)
    masks = np.zeros((2, count, *size), dtype=bool)
    for k in range(count):
        center, radius = rng.uniform(0, size), rng.uniform(1.5, 5)
        for side in range(2):
            moved = center + rng.normal(0, 1.5, 3)
            masks[side, k] = ((places - moved) ** 2).sum(-1) < radius**2
            masks[side, k] |= rng.random(size) < 0.01
            masks[side, k][tuple(rng.integers(0, size))] = True
    return masks[0], masks[1]
