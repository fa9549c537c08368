"""The area that two turned rectangles have in common.

Arithmetic alone, so that it takes arrays of NumPy and tensors of PyTorch: neither is imported.

A rectangle is six numbers `(x, y, length, width, cosine, sine)`: its centre, its sides, and the
direction of its length.
"""

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Array = TypeVar("Array", "np.ndarray", "Tensor")

# A smaller share of a rectangle is what rounding leaves of none.
ROUNDING = 1e-14
# Corners in halves of length and width, counter-clockwise.
_CORNERS = ((1, 1), (-1, 1), (-1, -1), (1, -1))


def shared_area(a: Array, b: Array) -> Array:
    """Area of the intersection of rectangles.

    By Green's theorem it is the integral of x dy along the border of `a`, where x and y are in the
    frame of `b` and are clipped to it. Each side gives a sum that has no branch and is continuous
    in all numbers: equal rectangles and those that touch are no special cases.

    Args:
        a: float64 `(..., 6)`.
        b: float64 `(..., 6)`, which broadcasts against `a`.

    Returns:
        float64 `(...)`; 0 where a side is not positive.
    """
    x, y = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]
    x, y = _turn(x, y, b)
    cosine, sine = _turn(a[..., 4], a[..., 5], b)
    half_length, half_width = a[..., 2].clip(0) / 2, a[..., 3].clip(0) / 2
    half_x, half_y = b[..., 2].clip(0) / 2, b[..., 3].clip(0) / 2
    corners = [
        (
            x + i * half_length * cosine - j * half_width * sine,
            y + i * half_length * sine + j * half_width * cosine,
        )
        for i, j in _CORNERS
    ]
    first, second, third, fourth = (
        _along_side(*corners[k - 1], *corners[k], half_x, half_y) for k in range(4)
    )
    shared = first + second + third + fourth
    return shared * (shared > 4 * half_x * half_y * ROUNDING)


def intersection_over_union(shared: Array, a: Array, b: Array) -> Array:
    """The share of a union that is in common, of areas or volumes.

    Args:
        shared: `(...)`, what two of them have in common.
        a: `(...)`, the whole of the first.
        b: `(...)`, the whole of the second.

    Returns:
        `(...)` in [0, 1]; 0 where either is empty.
    """
    filled = (a > 0) & (b > 0)
    union = (a + b - shared).clip(0)
    return (shared * filled / (union + (union == 0) * 1.0)).clip(0, 1)


def _turn(x: Array, y: Array, b: Array) -> tuple[Array, Array]:
    """A vector in the frame of rectangles."""
    cosine, sine = b[..., 4], b[..., 5]
    return x * cosine + y * sine, y * cosine - x * sine


def _along_side(x0: Array, y0: Array, x1: Array, y1: Array, half_x: Array, half_y: Array) -> Array:
    """Integral of the clipped x over the clipped y along a side."""
    low, high = y0.clip(-half_y, half_y), y1.clip(-half_y, half_y)
    # The part of the side between both, as shares of the way; a level side has no such part.
    way = _divisor(y1 - y0)
    begin, end = ((low - y0) / way).clip(0, 1), ((high - y0) / way).clip(0, 1)
    x0, x1 = x0 + begin * (x1 - x0), x0 + end * (x1 - x0)
    # Along that part x is clipped, free, and clipped again.
    left, right = x0.clip(-half_x, half_x), x1.clip(-half_x, half_x)
    way = _divisor(x1 - x0)
    begin, end = ((left - x0) / way).clip(0, 1), ((right - x0) / way).clip(0, 1)
    mean = left * begin + (left + right) * (end - begin) / 2 + right * (1 - end)
    return mean * (high - low)


def _divisor(value: Array) -> Array:
    """The same value, but 1 for 0."""
    return value + (value == 0) * 1.0
