"""Rotations as quaternions w, x, y, z, in NumPy."""

import numpy as np


def rotation_matrices(quaternions: np.ndarray) -> np.ndarray:
    """Rotation matrices of quaternions.

    Args:
        quaternions: `(..., 4)` w, x, y, z, of any length but 0.

    Returns:
        `(..., 3, 3)`, columns are where x, y and z are turned to.
    """
    length = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(quaternions / length, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_yaw(quaternions: np.ndarray) -> np.ndarray:
    """Angle `(...)` of the turned x axis on the ground, counter-clockwise, in [-pi, pi]."""
    forward = rotation_matrices(quaternions)[..., 0]
    return np.arctan2(forward[..., 1], forward[..., 0])


def rigid_transforms(quaternions: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Matrices `(..., 4, 4)` that rotate by quaternions `(..., 4)`, then move by `(..., 3)`."""
    matrices = np.zeros((*shifts.shape[:-1], 4, 4))
    matrices[..., :3, :3] = rotation_matrices(quaternions)
    matrices[..., :3, 3] = shifts
    matrices[..., 3, 3] = 1
    return matrices
