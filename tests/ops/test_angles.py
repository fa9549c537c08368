"""Wrapped angles: in their interval, the same direction, for numbers and arrays."""

import math

import numpy as np
import pytest

from vision.ops.angles import wrapped


@pytest.mark.parametrize("period", [2 * math.pi, math.pi])
def test_directions_stay(period: float) -> None:
    angles = np.linspace(-30, 30, 1001)
    found = wrapped(angles, period)
    assert (np.abs(found) <= period / 2).all()
    turns = (angles - found) / period
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-12)
    assert wrapped(float(angles[7]), period) == found[7]
