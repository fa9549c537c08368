"""Polygons of objects: the box of their visible part in a window, and their pixels."""

import math
from collections.abc import Sequence

import numpy as np

# A part that reaches less far into a window, in pixels, is not visible: an edge of a polygon may
# run along the border.
_MARGIN = 1e-3
_FIFTHS = 5


def visible_box(polygons: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """The smallest box around the part of some polygons that lies in a window.

    It is exact, for any polygons: the extreme points of the visible part are corners of a polygon,
    points where an edge crosses the border, or corners of the window that a polygon covers.

    Args:
        polygons: Points `(P, 2)`, x and y in pixels of the window; the union counts.
        height: Height of the window in pixels; it reaches from 0 to this.
        width: Its width.

    Returns:
        float64 `(4,)`, xyxy; zeros if nothing is visible.
    """
    limit = np.array([width, height], dtype=np.float64)
    points = np.concatenate([np.empty((0, 2)), *(_seen(points, limit) for points in polygons)])
    if not len(points):
        return np.zeros(4)
    low, high = points.min(axis=0), points.max(axis=0)
    low[low <= 2 * _MARGIN] = 0
    reached = high >= limit - 2 * _MARGIN
    high[reached] = limit[reached]
    return np.concatenate([low, high])


def _seen(start: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Points of a polygon's edges and of the window's corners that bound the visible part."""
    low, high = np.full(2, _MARGIN), limit - _MARGIN
    end = np.roll(start, -1, axis=0)
    step = end - start
    # The part of each edge (0 to 1) between the sides of the window (Liang and Barsky, 1984); an
    # edge along an axis gives infinities of the right sign.
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (low - start) / step, (high - start) / step
    enters = np.fmin(first, second).max(axis=1).clip(min=0)[:, None]
    leaves = np.fmax(first, second).min(axis=1).clip(max=1)[:, None]
    seen = (enters <= leaves)[:, 0]
    edges = [start[seen] + at[seen] * step[seen] for at in (enters, leaves)]
    corners = np.array([(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])])
    return np.concatenate([*edges, corners[_inside(corners, start, end)]])


def _inside(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether points `(Q, 2)` are in a polygon: a ray from there crosses an odd number of edges."""
    x, y = points[:, :1], points[:, 1:]  # (Q, 1) against edges (E,)
    crosses = (start[:, 1] > y) != (end[:, 1] > y)
    rise = end[:, 1] - start[:, 1]
    slope = (end[:, 0] - start[:, 0]) / np.where(rise == 0, 1, rise)
    right = x < start[:, 0] + (y - start[:, 1]) * slope
    return (crosses & right).sum(axis=1) % 2 == 1


def fill_polygons(mask: np.ndarray, polygons: Sequence[np.ndarray]) -> None:
    """Set the pixels of some polygons in a mask, as pycocotools draws them.

    Only the rectangle around them is drawn, which saves most of the time for small objects. Edges
    that pass through the middle of a fifth of a pixel may be rounded to its other side there: about
    one polygon of a thousand differs in one pixel.

    Args:
        mask: bool `(H, W)`, written to.
        polygons: Points `(P, 2)`, x and y in pixels; parts outside of the mask are cut off.
            Polygons with fewer than three points are skipped.
    """
    from pycocotools.mask import decode, frPyObjects, merge

    polygons = [points for points in polygons if len(points) >= 3]
    if not polygons:
        return
    points = np.concatenate(polygons)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    left, right = max(0, math.floor(x1) - 1), min(mask.shape[1], math.ceil(x2) + 1)
    top, bottom = max(0, math.floor(y1) - 1), min(mask.shape[0], math.ceil(y2) + 1)
    if right <= left or bottom <= top:
        return
    flat = [(_rounded(polygon) - (left, top)).ravel().tolist() for polygon in polygons]
    drawn = decode(merge(frPyObjects(flat, bottom - top, right - left)))
    mask[top:bottom, left:right] |= drawn.view(bool)


def _rounded(points: np.ndarray) -> np.ndarray:
    """Round to fifths of a pixel, as pycocotools does (rleFrPoly), before the shift."""
    return np.floor(points * _FIFTHS + 0.5) / _FIFTHS
