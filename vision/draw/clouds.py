"""Points of a cloud rendered as seen from outside: splats with a depth buffer.

Walls and a ceiling between the eye and the points are cut off, and edges in depth are shaded
("Eye-dome lighting: a non-photorealistic shading technique", C. Boucheny and A. Ribes, 2011).

Letters: P points.
"""

import math
from typing import NamedTuple

import numpy as np

from vision.errors import ConfigError

# More points are thinned evenly.
MAX_POINTS = 200_000
BACKGROUND = (250, 250, 251)
MARGIN = 0.03  # share of a side
# A slab of this share of an axis is cut off where it is between the eye and the points and holds so
# many times as many points as the next one: a wall, or a ceiling.
SLAB, WALL = 0.06, 2.0
MIN_WALL = 0.03  # share of all points
MAX_SPLAT = 4  # pixels from the middle of a splat
FILL = 7.0  # area of a splat beside the picture's area for each point
LIGHTING, RING = 0.25, 0.02  # strength of the shading, and the depth that counts as an edge


class View(NamedTuple):
    """A direction from which a cloud is seen.

    Attributes:
        azimuth: Degrees from x to y of the place of the eye.
        elevation: Degrees of the eye above the horizon.
    """

    azimuth: float
    elevation: float


FRONT, BACK = View(-60, 42), View(120, 42)


def render_cloud(
    points: np.ndarray,
    colors: np.ndarray,
    view: View = FRONT,
    *,
    side: int = 480,
    cut: np.ndarray | None = None,
) -> np.ndarray:
    """Render points, parallel lines staying parallel.

    Args:
        points: float `(P, 3)`, x, y and z with z up.
        colors: uint8 `(P, 3)` RGB.
        view: Where the eye is.
        side: Width and height of the picture in pixels.
        cut: bool `(P,)`, the points that are left out; None for walls before the others.

    Returns:
        uint8 `(side, side, 3)` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    if points.ndim != 2 or points.shape[1] != 3 or colors.shape != points.shape:
        raise ConfigError(
            f"points of shape {points.shape} with colours of shape {colors.shape} cannot be drawn: "
            "give (P, 3) both."
        )
    canvas = np.full((side, side, 3), BACKGROUND, np.float32)
    kept = ~(walls_before(points, view) if cut is None else cut)
    if not kept.any():
        return canvas.astype(np.uint8)
    step = -(-int(kept.sum()) // MAX_POINTS)
    shown = np.flatnonzero(kept)[::step]
    places = _seen(points, view)  # (P, 3)
    columns, rows, scale = _pixels(places, shown, side)
    depth = places[shown, 2] * scale
    pixels, nearest, order = _splat(columns, rows, depth, side)
    canvas.reshape(-1, 3)[pixels] = colors[shown[order]]
    shade = _lighting(pixels, nearest, side)
    canvas.reshape(-1, 3)[pixels] *= shade[:, None]
    return canvas.round().clip(0, 255).astype(np.uint8)


def walls_before(points: np.ndarray, view: View) -> np.ndarray:
    """The points of walls and of a ceiling that stand between the eye and the others.

    Args:
        points: float `(P, 3)`.
        view: Where the eye is.

    Returns:
        bool `(P,)`.
    """
    before = np.zeros(len(points), bool)
    if not len(points):
        return before
    low, high = points.min(axis=0), points.max(axis=0)
    for axis, toward in enumerate(_axes(view)[2]):
        extent = high[axis] - low[axis]
        if abs(toward) < 0.1 or extent <= 0:
            continue
        away = high[axis] - points[:, axis] if toward > 0 else points[:, axis] - low[axis]
        slab = away <= SLAB * extent
        next_one = (away <= 2 * SLAB * extent) & ~slab
        if slab.mean() >= MIN_WALL and slab.sum() >= WALL * next_one.sum():
            before |= slab
    return before


def _axes(view: View) -> np.ndarray:
    """Directions of the columns to the right, of the rows upwards, and to the eye: `(3, 3)`."""
    turn, rise = math.radians(view.azimuth), math.radians(view.elevation)
    toward = [math.cos(turn) * math.cos(rise), math.sin(turn) * math.cos(rise), math.sin(rise)]
    right = [-math.sin(turn), math.cos(turn), 0.0]
    return np.array([right, np.cross(toward, right), toward])


def _seen(points: np.ndarray, view: View) -> np.ndarray:
    """Places `(P, 3)` to the right, upwards and toward the eye, from the middle of the points."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return (points - middle).astype(np.float64) @ _axes(view).T


def _pixels(
    places: np.ndarray, shown: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Column and row of each point that is shown, as numbers, and pixels per unit."""
    flat = places[shown, :2]
    # The whole cloud fits, so that another choice of points is drawn at the same place.
    low, high = places[:, :2].min(axis=0), places[:, :2].max(axis=0)
    extent = max(float((high - low).max()), 1e-9)
    scale = side * (1 - 2 * MARGIN) / extent
    middle = (low + high) / 2
    columns = (flat[:, 0] - middle[0]) * scale + side / 2
    rows = side / 2 - (flat[:, 1] - middle[1]) * scale
    return columns, rows, scale


def _splat(
    columns: np.ndarray, rows: np.ndarray, depth: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels that points cover, the depth in each, and the point in front."""
    area = float(np.ptp(columns) + 1) * float(np.ptp(rows) + 1)
    radius = min(math.sqrt(FILL * area / len(columns)) / 2, MAX_SPLAT)
    reach = math.ceil(radius - 0.5) if radius > 0.5 else 0
    steps = range(-reach, reach + 1)
    offsets = [(x, y) for x in steps for y in steps if x * x + y * y <= (radius + 0.25) ** 2]
    whole = np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
    pixels, depths = [], []
    for x, y in offsets:
        column, row = whole[0] + x, whole[1] + y
        inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
        pixels.append(np.where(inside, row * side + column, -1))
        # A splat is a ball: its rim lies behind its middle.
        depths.append(depth - math.hypot(x, y))
    pixel, near = np.concatenate(pixels), np.concatenate(depths)
    point = np.tile(np.arange(len(columns)), len(offsets))
    seen = pixel >= 0
    pixel, near, point = pixel[seen], near[seen], point[seen]
    front = np.full(side * side, -np.inf)
    np.maximum.at(front, pixel, near)
    seen = near == front[pixel]
    owner = np.full(side * side, len(columns))  # of equally near points the first one
    np.minimum.at(owner, pixel[seen], point[seen])
    covered = np.flatnonzero(np.isfinite(front))
    return covered, front[covered], owner[covered]


def _lighting(pixels: np.ndarray, nearest: np.ndarray, side: int) -> np.ndarray:
    """Brightness in (0, 1] of each pixel that is covered: darker before what is nearer."""
    depth = np.full((side + 2, side + 2), np.nan)
    rows, columns = pixels // side + 1, pixels % side + 1
    depth[rows, columns] = nearest
    darker = np.zeros(len(pixels))
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        other = depth[rows + down, columns + right]
        step = np.where(np.isnan(other), 0.0, other - nearest)
        darker += (step / (RING * side)).clip(0, 1)
    return np.exp(-LIGHTING * darker)
