"""How the axes of a volume lie in the patient: orientation, reordering, spacing.

An orientation such as "LAS" names the direction in which the index grows along each axis: left or
right (L, R), posterior or anterior (P, A), inferior or superior (I, S). An affine `(4, 4)` leads
from the index of a cell to millimetres, x to the right, y to the anterior, z to the superior.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from vision.errors import ConfigError, shown

# Files of labels are compared without waiting for PyTorch.
if TYPE_CHECKING:
    from torch import Tensor

# Directions along x, y, z in which an index grows: against the axis of the world, and along it.
CODES = (("L", "R"), ("P", "A"), ("I", "S"))

Array = TypeVar("Array", np.ndarray, "Tensor")


def spacing_of(affine: np.ndarray) -> tuple[float, float, float]:
    """Distance between neighbouring cells along each axis in mm, from an affine `(4, 4)`."""
    first, second, third = np.linalg.norm(np.asarray(affine, np.float64)[:3, :3], axis=0).tolist()
    return first, second, third


def orientation_of(affine: np.ndarray) -> str:
    """The orientation whose axes are nearest to those of an affine, as nibabel chooses it.

    Axes that are not at right angles are first replaced by the nearest ones that are (polar
    decomposition); the axis that is nearest to one of the world then chooses first.

    Args:
        affine: `(4, 4)`, without an axis of no length.

    Returns:
        Three letters, such as "RAS".
    """
    axes = np.asarray(affine, np.float64)[:3, :3]
    left, _, right = np.linalg.svd(axes / np.linalg.norm(axes, axis=0))
    directions = left @ right
    letters = ["", "", ""]
    free = [0, 1, 2]
    for axis in np.argsort(-np.abs(directions).max(axis=0), kind="stable").tolist():
        world = max(free, key=lambda row: abs(directions[row, axis]))
        free.remove(world)
        letters[axis] = CODES[world][int(directions[world, axis] > 0)]
    return "".join(letters)


def check_orientation(name: str, orientation: str) -> None:
    """Raise an error unless an option is an orientation.

    Raises:
        ConfigError: It is not three letters, one of L and R, one of P and A, one of I and S.
    """
    known = isinstance(orientation, str) and sorted(map(_world_axis, orientation)) == [0, 1, 2]
    if not known:
        raise ConfigError(
            f"{name} is {shown(orientation)}, expected three letters for the directions in which "
            "the index grows: one of L and R, one of P and A, one of I and S, such as 'RAS'."
        )


def _world_axis(letter: str) -> int:
    return next((axis for axis, codes in enumerate(CODES) if letter in codes), -1)


def axis_changes(source: str, target: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """How to bring axes from one orientation to another.

    Args:
        source: The orientation of the axes.
        target: The one that is wanted.

    Returns:
        For each axis of the result, which of the three source axes it is, and whether it is
        reversed.

    Raises:
        ConfigError: One of them is no orientation.
    """
    for name in (source, target):
        check_orientation("orientation", name)
    places = {_world_axis(letter): place for place, letter in enumerate(source)}
    order = tuple(places[_world_axis(letter)] for letter in target)
    flips = tuple(source[place] != letter for place, letter in zip(order, target, strict=True))
    return order, flips


def reorient(array: Array, source: str, target: str) -> Array:
    """Bring the last three axes of an array from one orientation to another, without resampling.

    Args:
        array: `(..., D, H, W)`, NumPy's or PyTorch's.
        source: The orientation of its last three axes.
        target: The one that is wanted.

    Returns:
        The same cells in another order; of NumPy a view.

    Raises:
        ConfigError: One of the two is no orientation.
    """
    axes, flipped = _moves(array.ndim - 3, source, target)
    if isinstance(array, np.ndarray):
        return np.flip(array.transpose(axes), flipped)
    return array.permute(axes).flip(flipped)


def _moves(lead: int, source: str, target: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The order of all axes, of which `lead` stay, and those that are then reversed."""
    order, flips = axis_changes(source, target)
    flipped = tuple(lead + axis for axis, flip in enumerate(flips) if flip)
    return (*range(lead), *(lead + axis for axis in order)), flipped


def reoriented_affine(
    affine: np.ndarray, shape: tuple[int, ...], target: str, *, source: str | None = None
) -> np.ndarray:
    """The affine of the cells after `reorient`.

    Args:
        affine: `(4, 4)`, before.
        shape: Number of cells along the three axes, before.
        target: The orientation that they are brought to.
        source: The orientation before; None for the one of the affine.

    Returns:
        float64 `(4, 4)`.

    Raises:
        ConfigError: One of the two is no orientation.
    """
    affine = np.asarray(affine, np.float64)
    order, flips = axis_changes(source or orientation_of(affine), target)
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        change[old, new] = -1 if flip else 1
        change[old, 3] = shape[old] - 1 if flip else 0
    return affine @ change
