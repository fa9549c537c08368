"""Patches of volumes: where they lie, and their cells, padded beyond the volume's end."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vision.contracts.volumes import IGNORED
from vision.data.transforms.rng import SampleRng

Triple = tuple[int, int, int]


def foreground_box(values: np.ndarray) -> tuple[Triple, Triple]:
    """The box of the cells above 0 in any modality.

    Args:
        values: `(C, D, H, W)`.

    Returns:
        Its first cell, and the one after its last; the whole volume where none is above 0.
    """
    above = np.zeros(values.shape[1:], dtype=bool)
    for channel in values:
        above |= channel > 0
    starts, ends = [], []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(above.any(axis=others))
        starts.append(int(found[0]) if len(found) else 0)
        ends.append(int(found[-1]) + 1 if len(found) else above.shape[axis])
    return (starts[0], starts[1], starts[2]), (ends[0], ends[1], ends[2])


def crop_padded(
    array: np.ndarray, start: Sequence[int], size: Sequence[int], fill: float
) -> np.ndarray:
    """Cut a window from the last three axes, which may reach beyond the array.

    Args:
        array: `(..., D, H, W)`.
        start: First cell of the window, maybe negative.
        size: Its cells along each axis.
        fill: Value of cells beyond the array.

    Returns:
        `(..., *size)`, a copy.
    """
    lead = array.shape[:-3]
    window = np.full((*lead, *size), fill, dtype=array.dtype)
    inside: list[Any] = [...]
    outside: list[Any] = [...]
    for first, length, there in zip(start, size, array.shape[-3:], strict=True):
        low, high = max(first, 0), min(first + length, there)
        if low >= high:
            return window
        inside.append(slice(low - first, high - first))
        outside.append(slice(low, high))
    window[tuple(inside)] = array[tuple(outside)]
    return window


def anywhere(shape: Sequence[int], patch: Sequence[int], rng: SampleRng) -> list[int]:
    """The first cell of a patch anywhere in a volume; a larger patch has the volume in its middle.

    Args:
        shape: Cells of the volume.
        patch: Cells of the patch.
        rng: Random numbers of the sample.
    """
    return [
        _place(rng.below(max(0, side - cells) + 1), side, cells)
        for side, cells in _pairs(shape, patch)
    ]


def about_a_class(mask: np.ndarray, patch: Sequence[int], rng: SampleRng) -> list[int] | None:
    """The first cell of a patch that has a cell of a class at its middle, or as near as it fits.

    Args:
        mask: uint8 `(D, H, W)` class index.
        patch: Cells of the patch.
        rng: Random numbers of the sample.

    Returns:
        None if every cell is background or ignored.
    """
    counts = np.bincount(mask.ravel(), minlength=IGNORED + 1)
    counts[[0, IGNORED]] = 0
    present = np.flatnonzero(counts)
    if not len(present):
        return None
    label = present[rng.below(len(present))]
    # The n-th cell of the class, found plane by plane.
    wanted = rng.below(int(counts[label]))
    planes = np.cumsum((mask == label).sum(axis=(1, 2)))
    plane = int(np.searchsorted(planes, wanted, side="right"))
    before = int(planes[plane - 1]) if plane else 0
    cell = np.flatnonzero(mask[plane] == label)[wanted - before]
    middle = (plane, *np.unravel_index(cell, mask.shape[1:]))
    return [
        _place(min(max(int(place) - cells // 2, 0), max(0, side - cells)), side, cells)
        for place, (side, cells) in zip(middle, _pairs(mask.shape, patch), strict=True)
    ]


def in_enlarged_box(shape: Sequence[int], patch: Sequence[int], rng: SampleRng) -> list[int]:
    """The first cell of a patch anywhere in a volume that is enlarged to multiples of the patch.

    Args:
        shape: Cells of the volume.
        patch: Cells of the patch.
        rng: Random numbers of the sample.
    """
    starts = []
    for side, cells in _pairs(shape, patch):
        enlarged = -(-side // cells) * cells
        starts.append(rng.below(enlarged - cells + 1) - (enlarged - side) // 2)
    return starts


def _pairs(shape: Sequence[int], patch: Sequence[int]) -> list[tuple[int, int]]:
    return [*zip(shape, patch, strict=True)]


def _place(start: int, side: int, cells: int) -> int:
    """A start within the volume, or the one that centres the volume in a larger patch."""
    return start if side >= cells else -((cells - side) // 2)
