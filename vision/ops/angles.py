"""Angles in NumPy; `vision.ops.boxes3d.wrap_angle` is for tensors."""

import math
from typing import TypeVar

import numpy as np

Angle = TypeVar("Angle", float, np.ndarray)


def wrapped(angle: Angle, period: float = 2 * math.pi) -> Angle:
    """The equal angle in [-period / 2, period / 2], to rounding.

    Args:
        angle: A number or an array of any shape, in radians.
        period: After which directions are the same, such as pi for boxes without a front.
    """
    return (angle + period / 2) % period - period / 2
