"""Conversion of masks to COCO's polygons and run lengths, and back.

Coordinates are as in COCO: the pixel in row r and column c covers `[c, c + 1] x [r, r + 1]`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Minimum area of a part in square pixels: annotators would not draw smaller ones.
MIN_PART = 4.0
# Maximum distance in pixels of an omitted point from the line that replaces it.
TOLERANCE = 0.25
ROUNDS = 3


def trace_outlines(mask: np.ndarray, *, exact: bool = False) -> list[np.ndarray]:
    """Trace the outer outline of every part of a mask; holes are ignored.

    Args:
        mask: bool `(H, W)`.
        exact: Keep every point instead of the few that an annotator would set.

    Returns:
        One closed polygon per part, float64 `(P, 2)` of x and y with P >= 3, without the first
        point again at the end. Parts below `MIN_PART` square pixels are left out.
    """
    # The centre of the first pixel is at 0.5.
    rings = [ring + 0.5 for ring in _contours(mask, 0.5)]
    rings = [ring for ring in rings if signed_area(ring) >= MIN_PART]
    return rings if exact else [_simplify(ring) for ring in rings]


def trace_pixels(mask: np.ndarray) -> list[np.ndarray]:
    """Trace a mask along the centres of its outermost pixels.

    Drawing the polygons with `PIL.ImageDraw`, edges included, gives the mask again. A part with
    holes is cut at them into parts without holes.

    Args:
        mask: bool `(H, W)`.

    Returns:
        Closed polygons, int64 `(P, 2)` of column and row, without the first point again at the end;
        a part of one pixel or one line repeats its points if needed for P >= 3.
    """
    # A level so near to the inside value makes the line run through the pixel centres.
    rings = _contours(mask, 0.999)
    for ring in rings:
        if signed_area(ring) < 0:
            left = np.arange(mask.shape[1]) < ring[:, 0].mean().round()
            return [*trace_pixels(mask & left), *trace_pixels(mask & ~left)]
    return [_corners(ring.round().astype(np.int64)) for ring in rings]


def signed_area(polygon: np.ndarray) -> float:
    """Area enclosed by `(P, 2)` points in square pixels; negative if they run the other way."""
    x, y = (polygon - polygon[0]).T  # relative to the first point, whose terms are then 0
    return float(x[1:-1] @ y[2:] - x[2:] @ y[1:-1]) / 2


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """First row, first column, end of the rows and end of the columns of a mask `(H, W)`.

    At least one pixel must be set.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def fill_outlines(outlines: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Rasterise polygons as pycocotools does.

    Args:
        outlines: Polygons `(P, 2)`; their union is filled.
        height: In pixels.
        width: In pixels.

    Returns:
        bool `(H, W)`.
    """
    from pycocotools import mask as coco_mask

    if not outlines:
        return np.zeros((height, width), bool)
    flat = [polygon.ravel().tolist() for polygon in outlines]
    runs = coco_mask.frPyObjects(flat, height, width)
    return coco_mask.decode(coco_mask.merge(runs)).astype(bool)


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed counts: runs down each column in turn, beginning with the outside.

    Args:
        mask: bool `(H, W)`.

    Returns:
        Lengths of the runs, outside and inside in turn; the first may be 0.
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    bounds = np.concatenate([[0], edges, [len(flat)]])
    counts = np.diff(bounds).tolist()
    return [0, *counts] if flat[0] else counts


def _contours(mask: np.ndarray, level: float) -> list[np.ndarray]:
    """The lines at a level between 0 outside a mask and 1 inside, as float64 `(P, 2)` of x and y.

    The centre of the first pixel is at 0. The higher side is on the left of a line: outlines of
    parts and of holes run in opposite directions, so that their signed areas differ in sign.
    """
    from contourpy import contour_generator

    if not mask.any():
        return []
    top, left, bottom, right = extent(mask)
    padded = np.zeros((bottom - top + 2, right - left + 2), np.float32)
    padded[1:-1, 1:-1] = mask[top:bottom, left:right]
    corner = np.array([left - 1, top - 1])
    lines: Any = contour_generator(z=padded).lines(level)
    return [line[:-1] + corner for line in lines]


def _simplify(ring: np.ndarray) -> np.ndarray:
    """Remove points that lie within `TOLERANCE` of the line between their neighbours.

    Every second point is tested at a time, so that no two neighbours are removed at once; a few
    rounds leave about a quarter of the points, and shift the outline by well below one pixel.
    """
    for turn in range(2 * ROUNDS):
        # The first point always stays.
        first = 1 + turn % 2
        before, own, after = (
            points[: (len(ring) - first) // 2]
            for points in (ring[first - 1 :: 2], ring[first::2], ring[first + 1 :: 2])
        )
        chord, from_before = after - before, own - before
        distance = np.abs(from_before[:, 0] * chord[:, 1] - from_before[:, 1] * chord[:, 0])
        kept = np.ones(len(ring), bool)
        judged = kept[first::2][: len(own)]
        judged[:] = distance > TOLERANCE * np.hypot(chord[:, 0], chord[:, 1])
        if kept.sum() < 3:
            break
        ring = ring[kept]
    return ring


def _corners(ring: np.ndarray) -> np.ndarray:
    """The points at which a ring `(P, 2)` of whole numbers turns, at least three."""
    moved = np.any(ring != np.roll(ring, 1, axis=0), axis=1)
    ring = ring[moved] if moved.any() else ring[:1]
    step = np.roll(ring, -1, axis=0) - ring
    ring = ring[np.any(step != np.roll(step, 1, axis=0), axis=1)] if len(ring) > 1 else ring
    return np.concatenate([ring, *[ring[-1:]] * (3 - len(ring))])
