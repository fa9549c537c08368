"""Overlap of two masks of a volume, and how a region without a cell in the truth counts.

Letters: D, H, W cells along the three axes of an array.
"""

import math
from typing import Literal

import numpy as np

# A region that is empty in the truth is left out of the means, as MONAI does by default, or counts
# as in the BraTS challenge: the best value if the prediction is empty too, the worst one otherwise.
Empty = Literal["skip", "brats"]
EMPTY: tuple[Empty, ...] = ("skip", "brats")


def dice(found: np.ndarray, truth: np.ndarray, empty: Empty = "skip") -> float:
    """Dice score: twice the cells that both masks have, over the sum of their cells.

    Args:
        found: bool `(D, H, W)`, the prediction; any number of axes is accepted.
        truth: bool, of the same shape.
        empty: How an empty truth counts.

    Returns:
        The score in [0, 1]. For an empty truth NaN with `"skip"`; with `"brats"` 1 for an empty
        prediction and 0 for any other.
    """
    labelled, predicted = np.count_nonzero(truth), np.count_nonzero(found)
    if not labelled:
        return math.nan if empty == "skip" else float(not predicted)
    return 2 * np.count_nonzero(found & truth) / (labelled + predicted)
