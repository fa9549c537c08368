"""COCO's packed run lengths of masks: packing, and a check before pycocotools reads them.

The packed form is what pycocotools' `rleToString` writes: counts of alternate runs of zeros and
ones down the columns, from the third count after the first on as a difference to the count two
before, each in characters of five bits, the lowest first, a sixth bit marking that more follow.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

_CHARACTERS_AT_ONCE = 2**17
_AREAS_AT_ONCE = 255
_MIN_CHARACTER = 48
_MORE, _SIGN = 0x20, 0x10
_MAX_CHARACTERS = 7  # of a count of 32 bits
# The number that five bits stand for at the end of a count, where they have a sign.
_SIGNED = np.array([bits - 2 * (bits & _SIGN) for bits in range(_MORE)])


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
    if not len(texts):
        return np.zeros(0, dtype=bool)
    covered = np.array(pixels, dtype=np.int64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    broken = np.zeros(len(texts), dtype=bool)
    # Masks whose arrays stay in the processor's cache; at least one.
    chunks = np.cumsum(lengths) // _CHARACTERS_AT_ONCE
    starts = np.flatnonzero(np.diff(chunks, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts[1:], len(texts)], strict=True):
        rows = slice(start, end)
        broken[rows] = _broken(b"".join(texts[rows]), lengths[rows], covered[rows])
    return broken


def _broken(text: bytes, lengths: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The same of masks whose texts are joined."""
    limits = np.cumsum(lengths)
    characters = np.frombuffer(text, np.uint8) - np.uint8(_MIN_CHARACTER)
    is_end = characters < _MORE
    broken = (lengths == 0) & (pixels > 0)
    # Of each mask, the last character ends a count; a count that goes on must not take in the next
    # mask.
    last = limits[lengths > 0] - 1
    broken[lengths > 0] |= ~is_end[last]
    is_end[last] = True
    going_on = np.flatnonzero(~is_end)
    # Characters outside of the range have the bit of those that go on, or are last.
    outside = np.concatenate([going_on, last])
    outside = outside[characters[outside] >= 2 * _MORE]
    deltas, wrong = _unpack(characters, is_end, going_on)
    # Where the counts of each mask begin: its characters, less those that go on before it.
    ends = limits - np.searchsorted(going_on, limits)
    broken[np.searchsorted(limits, outside, side="right")] = True
    broken[np.searchsorted(ends, wrong, side="right")] = True
    return broken | _do_not_cover(deltas, ends, pixels)


def _unpack(
    characters: np.ndarray, is_end: np.ndarray, going_on: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unpack numbers.

    Args:
        characters: uint8, the five bits of each and what is above them.
        is_end: bool, whether a character ends a number.
        going_on: Places of those that do not, ascending.

    Returns:
        int64 numbers, and the places of those that no count can be, which are 0.
    """
    values = _SIGNED[characters[is_end] & (_MORE - 1)]
    if not len(going_on):
        return values, going_on
    # As many numbers end before a character as characters before it do not go on.
    number = going_on - np.arange(len(going_on))
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    sizes = np.diff(firsts, append=len(number))
    number = number[firsts]
    wrong = number[sizes >= _MAX_CHARACTERS]
    sizes = np.minimum(sizes, _MAX_CHARACTERS)
    longer = values[number] << (5 * sizes)
    bits = (characters[going_on] & (_MORE - 1)).astype(np.int64)
    for place in range(int(sizes.max())):
        here = np.flatnonzero(sizes > place)
        longer[here] |= bits[firsts[here] + place] << (5 * place)
    values[number] = longer
    values[wrong] = 0
    return values, wrong


def _do_not_cover(deltas: np.ndarray, ends: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Whether counts are below 0, above their mask's pixels, or do not add up to them.

    Args:
        deltas: int64, the first three counts of each mask, and the differences of its others to
            the counts two before.
        ends: Where the deltas of each of N masks end.
        pixels: Number of pixels of each mask.

    Returns:
        bool `(N,)`.
    """
    starts = np.concatenate([[0], ends[:-1]])
    filled = ends > starts
    totals = np.zeros(len(pixels), dtype=np.int64)
    # The first count is in no difference.
    totals[filled] = deltas[starts[filled]]
    deltas[starts[filled]] = 0
    wrong = (totals < 0) | (totals > pixels)
    for parity in (0, 1):
        sums = np.cumsum(deltas[parity::2])
        first, end = ((place - parity + 1) // 2 for place in (starts, ends))
        rows = np.flatnonzero(end > first)
        if not len(rows):
            continue
        first, end = first[rows], end[rows]
        # The sums go on from mask to mask.
        before = np.where(first > 0, sums[first - 1], 0)
        wrong[rows] |= np.minimum.reduceat(sums, first) < before
        wrong[rows] |= np.maximum.reduceat(sums, first) > before + pixels[rows]
        totals[rows] += np.add.reduceat(sums, first) - (end - first) * before
    return wrong | (totals != pixels)
