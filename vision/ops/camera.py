"""Cameras without distortion: points of the pixels of a depth map.

A camera is `(fx, fy, cx, cy)`, focal lengths and principal point in pixels. The centre of the top
left pixel is (0, 0). In its frame x points right, y down and z into the scene; depth is z.

Letters: H rows, W columns.
"""

from collections.abc import Sequence

import numpy as np

from vision.errors import ConfigError, DataError, shown

NAMES = ("fx", "fy", "cx", "cy")


def check_camera(
    camera: Sequence[float],
    name: str = "camera",
    error: type[DataError | ConfigError] = ConfigError,
) -> np.ndarray:
    """Check the four numbers of a camera.

    Args:
        camera: `(fx, fy, cx, cy)` in pixels.
        name: What messages call it.
        error: Class of the error.

    Returns:
        float64 `(4,)`.

    Raises:
        ConfigError: It is not four finite numbers, or a focal length is not positive.
    """
    try:
        values = np.array(camera, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != (4,) or not np.isfinite(values).all() or values[:2].min() <= 0:
        raise error(
            f"{name}={shown(camera)} must be four numbers, fx, fy, cx, cy in pixels: two focal "
            "lengths above 0 and the principal point."
        )
    return values


def pixel_rays(size: tuple[int, int], camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes x / z of the columns, float64 `(W,)`, and y / z of the rows, `(H,)`.

    Args:
        size: H and W.
        camera: `(fx, fy, cx, cy)`.
    """
    fx, fy, cx, cy = np.asarray(camera, dtype=np.float64)
    return (np.arange(size[1]) - cx) / fx, (np.arange(size[0]) - cy) / fy


def back_project(depth: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """The point of each pixel.

    Args:
        depth: float `(H, W)`, metres along the optical axis.
        camera: `(fx, fy, cx, cy)`.

    Returns:
        float64 `(H, W, 3)`: x, y and z in metres; zero where depth is 0.
    """
    x, y = pixel_rays((depth.shape[0], depth.shape[1]), camera)
    z = np.asarray(depth, dtype=np.float64)
    return np.stack([x * z, y[:, None] * z, z], axis=-1)


def project(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Where points are seen.

    Args:
        points: float `(..., 3)` in front of the camera, z above 0.
        camera: `(fx, fy, cx, cy)`.

    Returns:
        float64 `(..., 2)`: column and row in pixels.
    """
    camera = np.asarray(camera, dtype=np.float64)
    return points[..., :2] / points[..., 2:] * camera[:2] + camera[2:]
