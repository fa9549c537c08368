"""Masks as run lengths in COCO's packed form: conversion from polygons, and a check.

The packed form is that of pycocotools' `rleToString`: counts of alternate runs of zeros and ones
down the columns, from the third count after the first on as a difference to the count two before,
each in characters of five bits, the lowest first, a sixth bit marking that more follow.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

Rle = dict[str, Any]
_CHUNK = 4096  # masks whose counts are in memory at once
_LEAST_CHARACTER = 48
_MORE, _SIGN = 0x20, 0x10
_MOST_CHARACTERS = 7  # of a count of 32 bits


def as_rle(shape: Any, height: int, width: int) -> Rle:
    """Convert a segmentation of COCO to packed run lengths.

    Args:
        shape: Polygons, each a list `[x1, y1, x2, y2, ...]` in pixels, or run lengths, packed or
            as a list of counts.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        `{"size": [height, width], "counts": bytes or str}`.

    Raises:
        ValueError: It is none of these; the message says why.
    """
    from pycocotools import mask as mask_tools

    if isinstance(shape, list):
        if not shape or any(not isinstance(one, list) or len(one) < 6 for one in shape):
            raise ValueError("needs polygons of three or more points")
        if not all(np.isfinite(one).all() for one in shape):
            raise ValueError("has a coordinate that is not finite")
        return mask_tools.merge(mask_tools.frPyObjects(shape, height, width))
    if not isinstance(shape, dict) or not {"size", "counts"} <= set(shape):
        raise ValueError("is neither a list of polygons nor {'size': ..., 'counts': ...}")
    if list(shape["size"]) != [height, width]:
        raise ValueError(f"has the size {shape['size']}, the image {[height, width]}")
    if isinstance(shape["counts"], list):
        counts = np.asarray(shape["counts"])
        if counts.sum() != height * width or (counts < 0).any():
            raise ValueError(f"has counts that do not add up to {height} x {width}")
        return mask_tools.frPyObjects(shape, height, width)
    return {"size": [height, width], "counts": shape["counts"]}


def find_broken(rles: Sequence[Rle]) -> int | None:
    """Find packed run lengths that do not cover their mask.

    pycocotools runs for ever, or over the end of its memory, on such.

    Args:
        rles: Packed run lengths.

    Returns:
        Index of the first broken one, or None.
    """
    for start in range(0, len(rles), _CHUNK):
        chunk = rles[start : start + _CHUNK]
        broken = _broken(chunk)
        if broken.any():
            return start + int(broken.argmax())
    return None


def _broken(rles: Sequence[Rle]) -> np.ndarray:
    texts = [one["counts"] for one in rles]
    packed = [one if isinstance(one, bytes) else str(one).encode() for one in texts]
    lengths = np.array([len(one) for one in packed])
    areas = np.array([one["size"][0] * one["size"][1] for one in rles])
    limits = np.cumsum(lengths)
    # Bytes as long as possible: there are hundreds to a mask.
    characters = np.frombuffer(b"".join(packed), np.uint8) - np.uint8(_LEAST_CHARACTER)
    outside = np.flatnonzero(characters >= 2 * _MORE)
    is_end = characters & _MORE == 0
    broken = (lengths == 0) & (areas > 0)
    broken[np.searchsorted(limits, outside, side="right")] = True
    # Of each mask, the last character ends a count.
    broken[lengths > 0] |= ~is_end[limits[lengths > 0] - 1]
    ends = np.flatnonzero(is_end)
    if not len(ends):
        return broken
    deltas, too_long = _unpack(characters, ends)
    owner = np.repeat(np.arange(len(rles)), np.diff(np.searchsorted(ends, limits), prepend=0))
    broken[owner[too_long]] = True
    counts = _add_up(deltas, owner)
    broken[owner[counts < 0]] = True
    sums = np.bincount(owner, weights=counts, minlength=len(rles))
    return broken | (sums != areas)


def _unpack(characters: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers whose last characters are at `ends`, and which of them have too many characters."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    values = (characters[starts] & (_MORE - 1)).astype(np.int64)
    longer = np.flatnonzero(sizes > 1)
    for place in range(1, _MOST_CHARACTERS):
        bits = (characters[starts[longer] + place] & (_MORE - 1)).astype(np.int64)
        values[longer] |= bits << (5 * place)
        longer = longer[sizes[longer] > place + 1]
    negative = characters[ends] & _SIGN > 0
    values -= negative.astype(np.int64) << (5 * np.minimum(sizes, _MOST_CHARACTERS))
    return values, sizes > _MOST_CHARACTERS


def _add_up(deltas: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Counts from their differences: even and odd ones run apart, the first stands alone."""
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
