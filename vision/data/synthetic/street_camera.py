"""The cameras and the lidar on a car, and their calibration as KITTI writes it.

"Vision meets Robotics: The KITTI Dataset", A. Geiger et al., 2013. The rectified camera has x to
the right, y down and z along the optical axis; its origin is in the left grey camera (number 0).
The lidar has x forward, y left, z up. Lengths are metres.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Where the origin is, seen from each of the four cameras: grey and colour, left and right.
SHIFTS_M = ((0.0, 0.0, 0.0), (-0.537, 0.0, 0.0), (0.0599, -0.0004, 0.0027), (-0.471, 0.003, 0.0027))
LEFT_COLOR = 2
# The axes of the camera in those of a lidar that looks the same way.
AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
# Small turns of the rectified camera against the unrectified one, and where the lidar's origin is
# in the latter.
RECTIFYING_RAD = (0.0094, -0.0099, 0.0074)
LIDAR_M = (-0.004, -0.076, -0.272)
IMU_M = (-0.811, 0.32, -0.8)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The sensors of one image.

    Attributes:
        height: Rows of the image.
        width: Columns of the image.
        focal_px: Focal length in pixels.
        center_px: Principal point, column and row; the centre of the first pixel is at (0, 0).
        pitch_rad: Angle of the optical axis below the horizon.
        elevation_m: Height of the origin above the road.
        lidar_turn_rad: Turn of the lidar to the left of the camera, about the vertical of the road.
    """

    height: int
    width: int
    focal_px: float
    center_px: tuple[float, float]
    pitch_rad: float
    elevation_m: float
    lidar_turn_rad: float

    def projection(self, camera: int = LEFT_COLOR) -> np.ndarray:
        """The matrix `(3, 4)` of a camera, from the rectified frame to pixels."""
        column, row = self.center_px
        matrix = np.array([[self.focal_px, 0, column], [0, self.focal_px, row], [0, 0, 1]])
        return matrix @ np.column_stack([np.eye(3), SHIFTS_M[camera]])

    @property
    def eye(self) -> np.ndarray:
        """Where the left colour camera is, `(3,)`."""
        return -np.array(SHIFTS_M[LEFT_COLOR])

    def rays(self, samples: int = 1) -> np.ndarray:
        """Directions from the left colour camera through the pixels, with z = 1.

        Args:
            samples: Rays per pixel along each axis, at the centres of equal parts of the pixel.

        Returns:
            float64 `(samples * H, samples * W, 3)`.
        """
        columns, rows = (
            (np.arange(samples * length) + 0.5) / samples - 0.5
            for length in (self.width, self.height)
        )
        rays = np.ones((len(rows), len(columns), 3))
        rays[..., 0] = (columns - self.center_px[0]) / self.focal_px
        rays[..., 1] = ((rows - self.center_px[1]) / self.focal_px)[:, None]
        return rays

    def project(self, points: np.ndarray) -> np.ndarray:
        """Column and row `(..., 2)` in the left colour image of points `(..., 3)` before it."""
        seen = points - self.eye
        return seen[..., :2] / seen[..., 2:] * self.focal_px + self.center_px

    def from_level(self, vectors: np.ndarray) -> np.ndarray:
        """Turn vectors `(..., 3)`, x right, y down to the ground, z ahead, into the camera's."""
        return np.asarray(vectors, np.float64) @ about_axes(self.pitch_rad).T

    @cached_property
    def rectifying(self) -> np.ndarray:
        """The rotation `(3, 3)` from the unrectified to the rectified camera: `R0_rect`."""
        return about_axes(*RECTIFYING_RAD)

    @cached_property
    def lidar_to_camera(self) -> np.ndarray:
        """The matrix `(3, 4)` from the lidar to the unrectified camera: `Tr_velo_to_cam`.

        The lidar stands level on the road, and so the matrix has the pitch of the camera.
        """
        level = AXES @ about_axes(0, 0, self.lidar_turn_rad)
        rotation = self.rectifying.T @ about_axes(self.pitch_rad) @ level
        return np.column_stack([rotation, LIDAR_M])

    @property
    def lidar_to_rectified(self) -> np.ndarray:
        """The matrix `(3, 4)` from the lidar to the rectified camera."""
        return self.rectifying @ self.lidar_to_camera

    def calibration(self) -> str:
        """The text of a file of the folder `calib`."""
        imu = np.column_stack([about_axes(0.0008, -0.0005, 0.0148), IMU_M])
        rows = {f"P{number}": self.projection(number) for number in range(len(SHIFTS_M))}
        rows |= {"R0_rect": self.rectifying, "Tr_velo_to_cam": self.lidar_to_camera}
        rows["Tr_imu_to_velo"] = imu
        lines = [
            f"{name}: {' '.join(f'{value:.12e}' for value in matrix.ravel())}"
            for name, matrix in rows.items()
        ]
        return "\n".join(lines) + "\n\n"


def about_axes(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """The rotation `(3, 3)` about the axes x, then y, then z, by angles in radians."""
    turn = np.eye(3)
    for axis, angle in enumerate((x, y, z)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[first, first] = step[second, second] = math.cos(angle)
        step[first, second], step[second, first] = -math.sin(angle), math.sin(angle)
        turn = step @ turn
    return turn
