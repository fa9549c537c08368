"""COCO's packed run lengths of masks: packing, and a check before pycocotools reads them.

The packed form is what pycocotools' `rleToString` writes: counts of alternate runs of zeros and
ones down the columns, from the third count after the first on as a difference to the count two
before, each in characters of five bits, the lowest first, a sixth bit marking that more follow.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

_CHUNK = 4096  # masks whose counts are in memory at once
_AREAS_AT_ONCE = 255
_MIN_CHARACTER = 48
_MORE, _SIGN = 0x20, 0x10
_MAX_CHARACTERS = 7  # of a count of 32 bits


def pack_counts(counts: Sequence[int], *, height: int, width: int) -> bytes:
    """Pack run lengths that cover a mask.

    Args:
        counts: Lengths of the runs down the columns, of zeros and ones in turn.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.
    """
    from pycocotools import mask as mask_tools

    return mask_tools.frPyObjects({"size": [height, width], "counts": counts}, height, width)[
        "counts"
    ]


def mask_areas(masks: Sequence[Mapping[str, Any]]) -> list[int]:
    """Areas of masks in pixels.

    pycocotools 2.0.11 fails on 256 masks at once on NumPy 2: their number has to fit into a byte.

    Args:
        masks: Packed run lengths, as pycocotools accepts them.
    """
    from pycocotools import mask as mask_tools

    starts = range(0, len(masks), _AREAS_AT_ONCE)
    parts = [mask_tools.area(masks[start : start + _AREAS_AT_ONCE]).tolist() for start in starts]
    return list(chain.from_iterable(parts))


def broken_rows(texts: Sequence[bytes], pixels: Sequence[int] | np.ndarray) -> np.ndarray:
    """Find packed run lengths that do not cover their mask.

    On these, pycocotools never ends, or reads beyond its memory.

    Args:
        texts: Packed run lengths of N masks.
        pixels: Number of pixels of each mask.

    Returns:
        bool `(N,)`.
    """
    broken = np.zeros(len(texts), dtype=bool)
    for start in range(0, len(texts), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        broken[chunk] = _broken(texts[chunk], np.array(pixels[chunk], dtype=np.int64))
    return broken


def _broken(texts: Sequence[bytes], pixels: np.ndarray) -> np.ndarray:
    lengths = np.array([len(one) for one in texts])
    limits = np.cumsum(lengths)
    # Kept as bytes where possible: a mask has hundreds of them.
    characters = np.frombuffer(b"".join(texts), np.uint8) - np.uint8(_MIN_CHARACTER)
    outside = np.flatnonzero(characters >= 2 * _MORE)
    is_end = characters & _MORE == 0
    broken = (lengths == 0) & (pixels > 0)
    broken[np.searchsorted(limits, outside, side="right")] = True
    # Of each mask, the last character ends a count; a count that goes on must not take in the next
    # mask.
    last = limits[lengths > 0] - 1
    broken[lengths > 0] |= ~is_end[last]
    is_end[last] = True
    ends = np.flatnonzero(is_end)
    if not len(ends):
        return broken
    deltas, too_long = _unpack(characters, ends)
    owner = np.repeat(np.arange(len(texts)), np.diff(np.searchsorted(ends, limits), prepend=0))
    broken[owner[too_long]] = True
    counts = _add_up(deltas, owner)
    broken[owner[counts < 0]] = True
    sums = np.bincount(owner, weights=counts, minlength=len(texts))
    return broken | (sums != pixels)


def _unpack(characters: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers whose last characters are at `ends`, and which of them have too many characters."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    values = (characters[starts] & (_MORE - 1)).astype(np.int64)
    longer = np.flatnonzero(sizes > 1)
    for place in range(1, _MAX_CHARACTERS):
        bits = (characters[starts[longer] + place] & (_MORE - 1)).astype(np.int64)
        values[longer] |= bits << (5 * place)
        longer = longer[sizes[longer] > place + 1]
    negative = characters[ends] & _SIGN > 0
    values -= negative.astype(np.int64) << (5 * np.minimum(sizes, _MAX_CHARACTERS))
    return values, sizes > _MAX_CHARACTERS


def _add_up(deltas: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Counts from their differences: even and odd ones separately, without the first."""
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    starts = np.flatnonzero(first)
    sizes = np.diff(np.append(starts, len(deltas)))
    place = np.arange(len(deltas)) - np.repeat(starts, sizes)
    counts = deltas.copy()
    for chosen in ((place % 2 == 1), (place % 2 == 0) & (place > 0)):
        values, group = deltas[chosen], owner[chosen]
        if len(values):
            sums = np.cumsum(values)
            begins = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
            before = np.repeat((sums - values)[begins], np.diff(np.append(begins, len(values))))
            counts[chosen] = sums - before
    return counts
