"""Textures with a size in metres."""

import numpy as np
import pytest

from vision.data.synthetic.space_surfaces import KINDS, NOISE_CELLS, PERIODS, Surface

FINE = np.zeros(400)


def surface(kind: str) -> Surface:
    """A surface of a kind."""
    rng = np.random.default_rng(0)
    return next(found for found in iter(lambda: Surface.sampled(rng), None) if found.kind == kind)


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_repeat_after_their_period_and_fade_to_their_mean(kind: str) -> None:
    one, rng = surface(kind), np.random.default_rng(1)
    across, along = rng.uniform(-5, 5, size=(2, 400))
    period = PERIODS[kind] * (NOISE_CELLS if kind == "noise" else 1)
    found = one.colors(across, along, FINE)
    assert found.std(axis=0).min() > 2
    np.testing.assert_allclose(one.colors(across + period, along - period, FINE), found, atol=1e-2)
    # A pixel that covers half a period or more sees the mean.
    coarse = one.colors(across, along, FINE + PERIODS[kind])
    np.testing.assert_array_equal(coarse, np.broadcast_to(one.color, coarse.shape))


def test_colours_stay_within_the_shift() -> None:
    rng = np.random.default_rng(2)
    places = rng.uniform(-9, 9, size=(2, 400))
    kinds = set()
    for _ in range(20):
        one = Surface.sampled(rng)
        kinds.add(one.kind)
        distance = np.abs(one.colors(*places, FINE) - one.color)
        assert (distance <= np.abs(one.shift) / 2 + 1e-3).all()
    assert kinds == set(KINDS)
