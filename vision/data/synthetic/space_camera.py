"""A pinhole camera above level ground.

Two frames are used, both with x to the right and the origin in the camera. In the camera's frame y
points down in the image and z into the scene, along the optical axis. In the level frame y points
down to the ground and z ahead. Lengths are metres.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera whose optical axis passes through the middle of the image.

    Attributes:
        height: Rows of the image.
        width: Columns of the image.
        focal_px: Focal length in pixels.
        pitch_rad: Angle of the optical axis below the horizon.
        elevation_m: Height above the ground.
    """

    height: int
    width: int
    focal_px: float
    pitch_rad: float
    elevation_m: float

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """Focal lengths and principal point `(fx, fy, cx, cy)` in pixels.

        The centre of the first pixel is at (0, 0), as in the files of NYUv2 and KITTI.
        """
        return self.focal_px, self.focal_px, (self.width - 1) / 2, (self.height - 1) / 2

    def from_level(self, vectors: np.ndarray) -> np.ndarray:
        """Turn vectors `(..., 3)` of the level frame into the camera's frame."""
        sine, cosine = math.sin(self.pitch_rad), math.cos(self.pitch_rad)
        turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        return np.asarray(vectors, np.float64) @ turn.T

    def rays(self, samples: int = 1) -> np.ndarray:
        """Directions from the camera through the pixels, with z = 1.

        A point on a ray is its direction times its depth.

        Args:
            samples: Rays per pixel along each axis, at the centres of equal parts of the pixel.

        Returns:
            float64 `(samples * H, samples * W, 3)`.
        """
        fx, fy, cx, cy = self.intrinsics
        columns, rows = (
            (np.arange(samples * length) + 0.5) / samples - 0.5
            for length in (self.width, self.height)
        )
        rays = np.ones((len(rows), len(columns), 3))
        rays[..., 0] = (columns - cx) / fx
        rays[..., 1] = ((rows - cy) / fy)[:, None]
        return rays

    def project(self, points: np.ndarray) -> np.ndarray:
        """Column and row `(..., 2)` of points `(..., 3)` of the camera's frame, with z > 0."""
        fx, fy, cx, cy = self.intrinsics
        return points[..., :2] / points[..., 2:] * (fx, fy) + (cx, cy)
