"""Surface normals of a depth map, by a plane fitted to the points of a window around each pixel.

A point (x, y, 1) z of the plane n . p = 1 has 1 / z = n . (x, y, 1): inverse depth is linear in the
slopes x and y of the rays. The plane of a pixel is the least-squares fit of these three numbers to
the readings of its window, which weights a point by its nearness: the error of stereo and of
structured light is about equal in inverse depth. Readings across an edge do not take part: those
to which a line from the point of the pixel would be seen more slanted than any surface.

Letters: H rows, W columns.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vision.ops.camera import pixel_rays
from vision.options import Range, Ranges

# Side of the window in pixels, and the largest angle in degrees between the line of sight and the
# normal of a surface: a floor is one down to five degrees below the horizon.
WINDOW, MAX_SLANT = 7, 85.0
# Share of the pixels of a window that need a reading on the surface of its middle.
MIN_SHARE = 0.25
# Rows that are fitted at a time, and the spread across a line of readings below which it is one.
_STRIP, _FLAT = 16, 1e-6
RANGES: Ranges = {
    "window": Range(minimum=3, maximum=63, unit="pixels"),
    "max_slant": Range(above=0, below=90, unit="degrees"),
}


def normals_from_depth(
    depth: np.ndarray,
    camera: np.ndarray,
    *,
    window: int = WINDOW,
    max_slant: float = MAX_SLANT,
) -> np.ndarray:
    """Compute the normal of each pixel.

    Args:
        depth: float `(H, W)` metres along the optical axis, 0 where there is no reading.
        camera: `(fx, fy, cx, cy)` in pixels, see `vision.ops.camera`.
        window: Side of the window in pixels; an even one is enlarged by one.
        max_slant: Largest angle in degrees between the line of sight and the normal of a surface;
            more slanted readings of a window lie across an edge.

    Returns:
        float32 `(3, H, W)` unit vectors, x right, y down, z into the scene, that point to the
        camera; zero where the pixel, or three quarters of its window, have no reading on its
        surface.
    """
    z = np.asarray(depth, dtype=np.float32)
    reach = window // 2
    side = 2 * reach + 1
    padded = np.pad(z, reach)
    columns, rows = pixel_rays((z.shape[0], z.shape[1]), camera)
    steps = (1 / float(camera[0]), 1 / float(camera[1]))
    result = np.zeros((3, *z.shape), dtype=np.float32)
    for top in range(0, z.shape[0], _STRIP):
        strip = slice(top, min(top + _STRIP, z.shape[0]))
        windows = sliding_window_view(padded[strip.start : strip.stop + 2 * reach], (side, side))
        count, a, b, c = _fit(windows, z[strip], steps, max_slant)
        # In a window the rays are counted from its middle.
        c = c - a * columns - b * rows[strip, None]
        normal = -np.stack([a, b, c])
        lengths = np.linalg.norm(normal, axis=0)
        enough = (count >= MIN_SHARE * side**2) & (lengths > 0)
        np.divide(normal, lengths, out=result[:, strip], where=enough, casting="same_kind")
    return result


def _fit(
    windows: np.ndarray, z: np.ndarray, steps: tuple[float, float], max_slant: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit the planes 1 / z = a x + b y + c of windows, with their middles as the origins.

    Args:
        windows: float32 `(h, W, side, side)`, the depth in each.
        z: float32 `(h, W)`, the depth of their middles.
        steps: Slopes x / z and y / z from one pixel to the next.
        max_slant: As for `normals_from_depth`.

    Returns:
        The number of readings, and a, b and c, `(h, W)` each; these are zero where the middle has
        no reading, or the readings lie in a line.
    """
    side = windows.shape[-1]
    others = windows.reshape(*z.shape, side * side)
    middle = z[..., None]
    y, x = (np.indices((side, side)).reshape(2, -1) - side // 2) * np.array(steps[::-1])[:, None]
    limits = (math.tan(math.radians(max_slant)) * np.hypot(x, y)).astype(np.float32)
    used = (np.abs(others - middle) <= limits * middle) & (others > 0)
    safe = np.where(middle > 0, middle, 1)
    # From the middle's own inverse depth: float32 then keeps the differences.
    inverse = np.where(used, (safe - others) / (safe * np.where(used, others, 1)), 0)
    moments = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    sums = (used.astype(np.float32) @ moments.astype(np.float32)).astype(np.float64)
    products = (inverse @ moments[:, :3].astype(np.float32)).astype(np.float64)
    count = sums[..., 0]
    x, y, xx, xy, yy = np.moveaxis(sums[..., 1:], -1, 0) / np.maximum(count, 1)
    q, xq, yq = np.moveaxis(products, -1, 0) / np.maximum(count, 1)
    # About the mean, the constant falls away.
    xx, xy, yy, xq, yq = xx - x * x, xy - x * y, yy - y * y, xq - x * q, yq - y * q
    determinant = xx * yy - xy * xy
    plane = (determinant > _FLAT * (xx + yy) ** 2) & (z > 0)
    scale = np.divide(1, determinant, out=np.zeros_like(determinant), where=plane)
    a, b = (yy * xq - xy * yq) * scale, (xx * yq - xy * xq) * scale
    return count, a, b, np.where(plane, q - a * x - b * y + 1 / safe[..., 0], 0)
