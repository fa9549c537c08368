"""Surface normals of a depth map, by a plane fitted to the points of a window around each pixel.

A point (x, y, 1) z of the plane n . p = 1 has 1 / z = n . (x, y, 1): inverse depth is linear in the
slopes x and y of the rays. The plane of a pixel is the least-squares fit of these three numbers to
the readings of its window, which weights a point by its nearness: the error of stereo and of
structured light is about equal in inverse depth. Readings across an edge, whose depth differs from
that of the pixel by more than a share, do not take part.

Letters: H rows, W columns.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vision.ops.camera import pixel_rays
from vision.options import Range, Ranges

# Side of the window in pixels, and the largest difference of depth in it, relative to that of its
# middle: whole windows of a floor are inside from 60 pixels below the horizon on.
WINDOW, MAX_JUMP = 7, 0.05
# Share of the pixels of a window that need a reading on the surface of its middle.
MIN_SHARE = 0.25
# Rows that are fitted at a time, and the spread across a line of readings below which it is one.
_STRIP, _FLAT = 16, 1e-6
RANGES: Ranges = {
    "window": Range(minimum=3, maximum=63, unit="pixels"),
    "max_jump": Range(above=0, maximum=1),
}


def normals_from_depth(
    depth: np.ndarray,
    camera: np.ndarray,
    *,
    window: int = WINDOW,
    max_jump: float = MAX_JUMP,
) -> np.ndarray:
    """Compute the normal of each pixel.

    Args:
        depth: float `(H, W)` metres along the optical axis, 0 where there is no reading.
        camera: `(fx, fy, cx, cy)` in pixels, see `vision.ops.camera`.
        window: Side of the window in pixels; an even one is enlarged by one.
        max_jump: Largest difference in depth from the middle of a window, relative to its depth.

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
        count, a, b, c = _fit(windows, z[strip], steps, max_jump)
        # In a window the rays are counted from its middle.
        c = c - a * columns - b * rows[strip, None]
        normal = -np.stack([a, b, c])
        lengths = np.linalg.norm(normal, axis=0)
        enough = (count >= MIN_SHARE * side**2) & (lengths > 0)
        np.divide(normal, lengths, out=result[:, strip], where=enough, casting="same_kind")
    return result


def _fit(
    windows: np.ndarray, z: np.ndarray, steps: tuple[float, float], max_jump: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit the planes 1 / z = a x + b y + c of windows, with their middles as the origins.

    Args:
        windows: float32 `(h, W, side, side)`, the depth in each.
        z: float32 `(h, W)`, the depth of their middles.
        steps: Slopes x / z and y / z from one pixel to the next.
        max_jump: As for `normals_from_depth`.

    Returns:
        The number of readings, and a, b and c, `(h, W)` each; these are zero where the middle has
        no reading, or the readings lie in a line.
    """
    side = windows.shape[-1]
    others = windows.reshape(*z.shape, side * side)
    middle = z[..., None]
    used = (np.abs(others - middle) <= max_jump * middle) & (others > 0)
    safe = np.where(middle > 0, middle, 1)
    # From the middle's own inverse depth: float32 then keeps the differences.
    inverse = np.where(used, (safe - others) / (safe * np.where(used, others, 1)), 0)
    y, x = (np.indices((side, side)).reshape(2, -1) - side // 2) * np.array(steps[::-1])[:, None]
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
