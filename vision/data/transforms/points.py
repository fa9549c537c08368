"""Transforms of points, of directions at them and of boxes about them, z up.

Points are `(P, C)`: x, y, z in metres, then whatever else is known of each, which stays as it is.
Directions, such as normals, are `(P, 3)`. Boxes are `(N, 7)` in the frame `LIDAR` of
`vision/contracts/boxes3d.py`. All are arrays of floats; a result is a copy of the same type.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from vision.contracts.boxes3d import CENTRE, SIZE, YAW

# Colour of points whose colour is dropped: 0, where colours are -1 to 1.
GREY = 127


class Motion(NamedTuple):
    """A mirror, a rotation about z and a scale, in this order, all about the origin.

    Attributes:
        mirror: Whether x and whether y are reversed.
        angle: In radians, from x to y.
        scale: Factor of all lengths.
    """

    mirror: tuple[bool, bool] = (False, False)
    angle: float = 0.0
    scale: float = 1.0

    def points(self, points: np.ndarray) -> np.ndarray:
        """Move points `(P, C)`."""
        return scale(self.directions(points), self.scale)

    def directions(self, directions: np.ndarray) -> np.ndarray:
        """Turn directions `(P, 3)`; their lengths stay."""
        return rotate(mirror(directions, self.mirror), self.angle)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Move boxes `(N, 7)`; a point is in a box before if and only if it is so after."""
        turned = rotate_boxes(mirror_boxes(boxes, self.mirror), self.angle)
        return scale_boxes(turned, self.scale)

    def matrix(self) -> np.ndarray:
        """The same as a matrix, float64 `(4, 4)`, of `(x, y, z, 1)`."""
        whole = np.eye(4)
        whole[:3, :3] = self.points(np.eye(3)).T
        return whole


def rotate(points: np.ndarray, angle: float) -> np.ndarray:
    """Rotate points `(P, C)` or directions `(P, 3)` about z.

    Args:
        points: The points.
        angle: In radians, from x to y.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    turned = points.copy()
    turned[:, 0] = cos * points[:, 0] - sin * points[:, 1]
    turned[:, 1] = sin * points[:, 0] + cos * points[:, 1]
    return turned


def rotate_boxes(boxes: np.ndarray, angle: float) -> np.ndarray:
    """Rotate boxes `(N, 7)` about z; yaw is then in [-pi, pi)."""
    turned = rotate(boxes, angle)
    turned[:, YAW] = wrap(boxes[:, YAW] + angle)
    return turned


def mirror(points: np.ndarray, axes: Sequence[bool]) -> np.ndarray:
    """Reverse x or y of points `(P, C)` or directions `(P, 3)`.

    Args:
        points: The points.
        axes: Whether x, and whether y is reversed.
    """
    mirrored = points.copy()
    for axis, reverse in enumerate(axes):
        if reverse:
            mirrored[:, axis] *= -1
    return mirrored


def mirror_boxes(boxes: np.ndarray, axes: Sequence[bool]) -> np.ndarray:
    """Reverse x or y of boxes `(N, 7)`; yaw is then in [-pi, pi)."""
    mirrored = mirror(boxes, axes)
    x, y = axes
    yaw = boxes[:, YAW]
    if x:
        yaw = math.pi - yaw
    if y:
        yaw = -yaw
    mirrored[:, YAW] = wrap(yaw)
    return mirrored


def scale(points: np.ndarray, factor: float) -> np.ndarray:
    """Scale points `(P, C)` about the origin."""
    scaled = points.copy()
    scaled[:, CENTRE] *= factor
    return scaled


def scale_boxes(boxes: np.ndarray, factor: float) -> np.ndarray:
    """Scale places and sizes of boxes `(N, 7)` about the origin."""
    scaled = scale(boxes, factor)
    scaled[:, SIZE] *= factor
    return scaled


def jitter(points: np.ndarray, std: float, limit: float) -> np.ndarray:
    """Move each point a little, with random numbers of PyTorch.

    Args:
        points: `(P, C)`.
        std: Standard deviation along each axis in metres.
        limit: What is farther is brought to this distance along its axis.
    """
    noise = (torch.randn(len(points), 3, dtype=torch.float64) * std).clamp(-limit, limit)
    moved = points.copy()
    moved[:, CENTRE] += noise.numpy()
    return moved


def kept_points(count: int, dropped: float) -> np.ndarray:
    """Which points are kept when a share of them is dropped, with random numbers of PyTorch.

    Args:
        count: Number of points.
        dropped: Probability with which each is dropped.

    Returns:
        bool `(count,)`; one is kept at least, if there is any.
    """
    numbers = torch.rand(count, dtype=torch.float64).numpy()
    kept = numbers >= dropped
    if count and not kept.any():
        kept[numbers.argmax()] = True
    return kept


def change_colors(
    colors: np.ndarray, factor: Sequence[float], shift: Sequence[float]
) -> np.ndarray:
    """Multiply colours about the middle grey, and shift them.

    Args:
        colors: uint8 `(P, 3)` RGB.
        factor: Of each of the three; above 1 makes a stronger contrast.
        shift: What is added to each, in 0..255.

    Returns:
        uint8 `(P, 3)`.
    """
    changed = (colors - np.float64(GREY)) * np.asarray(factor) + (GREY + np.asarray(shift))
    return changed.round().clip(0, 255).astype(np.uint8)


def drop_colors(colors: np.ndarray) -> np.ndarray:
    """The middle grey in place of all colours, uint8 `(P, 3)`."""
    return np.full_like(colors, GREY)


def wrap(angle: np.ndarray) -> np.ndarray:
    """The equal angle in [-pi, pi).

    Args:
        angle: In radians.
    """
    # In the type of the angles, pi may be rounded up.
    wrapped = angle - 2 * math.pi * np.floor(angle / (2 * math.pi) + 0.5)
    return np.where(wrapped < math.pi, wrapped, -wrapped).astype(angle.dtype)
