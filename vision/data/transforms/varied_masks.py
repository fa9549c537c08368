"""Whether a mask has enough of more than one class to learn from."""

import numpy as np
import torch

from vision.contracts.segmentation import IGNORED

# Rows and columns from one pixel to the next of the sparse grid.
SPARSE = 8


def is_varied(mask: np.ndarray, max_share: float) -> bool:
    """Whether a mask has more than one class and none covers too much.

    Args:
        mask: uint8 `(h, w)`; `IGNORED` pixels do not count.
        max_share: The share of the labelled pixels that is too much, 1 or less.
    """
    labelled = mask.size - np.count_nonzero(mask == IGNORED)
    limit = max_share * labelled
    # Parting the pixels in two is many times as fast as counting all classes, and mostly decides:
    # where neither part reaches the limit, no class does.
    counts = _count(mask[::SPARSE, ::SPARSE])
    total, likely = int(counts.sum()), int(counts.argmax())
    if 2 * counts[likely] > total:
        part = np.count_nonzero(mask == likely)
    else:
        middle = int(np.searchsorted(counts.cumsum(), total / 2))
        part = np.count_nonzero(mask <= middle)
    if max(part, labelled - part) < limit:
        return True
    return bool(_count(mask).max() < limit)


def _count(mask: np.ndarray) -> np.ndarray:
    """Pixels of each class, int64 `(255,)`."""
    # PyTorch counts bytes several times as fast as NumPy.
    labels = torch.from_numpy(np.ascontiguousarray(mask)).flatten()
    return torch.bincount(labels, minlength=IGNORED + 1)[:IGNORED].numpy()
