"""Pieces of different lengths that lie one after the other in an array."""

from typing import NamedTuple

import numpy as np

from vision.annotations.outlines import starts_of


class Pieces(NamedTuple):
    """Pieces that were chosen of others.

    Attributes:
        starts: int64 `(n + 1,)`, offset of each, and the end of the last.
        rows: int64 `(starts[-1],)`, where their rows were.
    """

    starts: np.ndarray
    rows: np.ndarray


def take_pieces(starts: np.ndarray, chosen: np.ndarray) -> Pieces:
    """Choose pieces, in any order.

    Args:
        starts: int64 `(N + 1,)`, offset of each piece, and the end of the last.
        chosen: int64 `(n,)`, indices of pieces.
    """
    lengths = np.diff(starts)[chosen]
    offsets = starts_of(lengths)
    shifts = np.repeat(starts[chosen] - offsets[:-1], lengths)
    return Pieces(offsets, np.arange(offsets[-1]) + shifts)
