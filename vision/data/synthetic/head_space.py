"""The space of composed heads: their grids of cells in millimetres, and smooth random fields.

Letters: D, H, W cells along the axes of an array.
"""

from dataclasses import dataclass

import numpy as np

# What a volume covers in millimetres, along its axes to the left, to the back and up.
FIELD_MM = (182.0, 211.0, 168.0)
# Volumes are that much lower than they are long.
LOWER = 0.75
MAX_TILT = np.deg2rad(7.0)
MAX_SHIFT_MM = 6.0
# Axes grow to the left and to the back, as those of BraTS do.
LEFT_BACK_UP = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Grid:
    """Where the cells of a volume lie.

    Attributes:
        shape: D, H, W.
        affine: float64 `(4, 4)` from the index of a cell to millimetres: right, anterior, superior.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def cell_mm(self) -> float:
        """Side in millimetres of a cube that is as large as a cell."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) ** (1 / 3))

    def places_mm(self) -> np.ndarray:
        """Centres of the cells in millimetres, float32 `(3, D, H, W)`."""
        affine = self.affine.astype(np.float32)
        cells = np.indices(self.shape, np.float32)
        return np.tensordot(affine[:3, :3], cells, axes=1) + affine[:3, 3, None, None, None]


def make_grid(rng: np.random.Generator, *, size: int) -> Grid:
    """A grid whose axes are near to left, back and up, oblique and off the centre.

    Args:
        rng: Source of every choice.
        size: Cells along the first two axes; the third has three quarters as many. The cells are
            not cubes.
    """
    shape = (size, size, round(LOWER * size))
    spacing = np.array(FIELD_MM) / shape
    turn = rotation(rng.uniform(-MAX_TILT, MAX_TILT, size=3))
    affine = np.eye(4)
    affine[:3, :3] = turn @ LEFT_BACK_UP * spacing
    middle = (np.array(shape) - 1) / 2
    affine[:3, 3] = rng.uniform(-MAX_SHIFT_MM, MAX_SHIFT_MM, size=3) - affine[:3, :3] @ middle
    return Grid(shape, affine)


def rotation(angles: np.ndarray) -> np.ndarray:
    """A rotation, float64 `(3, 3)`, by radians about each axis in turn."""
    whole = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [other for other in range(3) if other != axis]
        one = np.eye(3)
        one[first, first] = one[second, second] = np.cos(angle)
        one[first, second], one[second, first] = -np.sin(angle), np.sin(angle)
        whole = whole @ one
    return whole


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, int, int], *, waves: int
) -> np.ndarray:
    """A random field without small structures.

    Args:
        rng: Source of the field.
        shape: D, H, W.
        waves: Half waves along an axis, at the most.

    Returns:
        float32 `(D, H, W)` with mean 0 and standard deviation 1.
    """
    order = np.arange(waves + 1)
    # Short waves are weak, also those that are short along several axes at once.
    squares = sum(np.square(axis) for axis in np.meshgrid(order, order, order))
    strength = np.exp(-2 * squares / waves**2)
    field = rng.standard_normal(strength.shape) * strength
    for length in shape:
        places = (np.arange(length) + 0.5) / length
        # The axis in front is replaced, and comes last: after three turns all are in order.
        field = np.tensordot(field, np.cos(np.pi * order[:, None] * places), axes=(0, 0))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """A smooth step: 0 far below 0, 1 far above, 1/2 at 0.

    Args:
        distance: Signed distance.
        width: About half of the distance that the step takes.
    """
    return 0.5 + 0.5 * np.tanh(distance / width)
