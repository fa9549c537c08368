"""Scales: round numbers of a range, at their places."""

import math

import numpy as np
import pytest
import torch

from vision.draw.ramps import DEPTH, even_ramp
from vision.draw.scales import (
    MAX_TICKS,
    MIN_WIDTH,
    add_strip,
    legible,
    round_ticks,
    scale_strip,
)


def is_round(number: float) -> bool:
    """Whether a number is 1, 2 or 5 times a power of ten, or a small multiple of one."""
    digits = f"{number:.6e}".partition("e")[0].rstrip("0").replace(".", "")
    return len(digits) <= 3


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.5, 10), (2.11, 5.02), (0.999, 1.02), (3, 79), (0.001, 0.0047), (1, 1e6), (7, 7.00001)],
)
def test_ticks_are_few_round_numbers_of_the_range(low: float, high: float) -> None:
    for log in (False, True):
        ticks = round_ticks(low, high, log=log)
        assert 2 <= len(ticks) <= MAX_TICKS
        assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
        assert ticks == sorted(set(ticks))
    steps = np.diff(round_ticks(low, high))
    assert steps == pytest.approx(steps[0], rel=1e-6)
    assert is_round(steps[0])


def test_ticks_by_hand() -> None:
    assert round_ticks(0.4, 6.1) == [1, 2, 3, 4, 5, 6]
    assert round_ticks(1, 60, log=True) == [1, 2, 5, 10, 20, 50]
    assert round_ticks(0.01, 1e4, log=True) == [0.01, 0.1, 1, 10, 100, 1000, 10000]


def test_a_tick_is_where_its_colour_is() -> None:
    size_px = 20
    strip = scale_strip(400, size_px, DEPTH, [(0.0, "1"), (0.5, "2"), (1.0, "3")], "")
    assert strip.shape[1] == 400
    bar = strip[size_px // 2]
    places = np.flatnonzero((bar < 250).any(axis=1))
    assert tuple(bar[places[0]]) == tuple(even_ramp(DEPTH)[0])
    assert tuple(bar[places[-1]]) == tuple(even_ramp(DEPTH)[-1])
    # The line of the middle number is in the column of the middle colour.
    below = strip[size_px // 2 + 14 + 2]
    marks = np.flatnonzero((below < 100).all(axis=1))
    assert np.abs(marks - (places[0] + places[-1]) / 2).min() <= 1


def test_numbers_that_would_touch_are_left_out() -> None:
    crowded = [(number / 100, f"{number / 100:.2f}") for number in range(101)]
    few = [(0.0, "0.00"), (1.0, "1.00")]
    widths = [
        int((scale_strip(300, 16, DEPTH, ticks, "m")[30:] < 128).any(axis=(0, 2)).sum())
        for ticks in (crowded, few)
    ]
    assert widths[1] < widths[0] < 0.9 * 300


def test_a_narrow_picture_is_centred_above_its_scale() -> None:
    picture = torch.full((3, 30, 20), 7, dtype=torch.uint8)
    whole = add_strip(picture, lambda width, size: np.zeros((size, width, 3), np.uint8))
    assert whole.shape[2] == MIN_WIDTH
    left = (MIN_WIDTH - 20) // 2
    assert torch.equal(whole[:, :30, left : left + 20], picture)
    assert math.isclose(float(whole[:, :30, :left].float().mean()), 255)


@pytest.mark.parametrize(("width", "becomes"), [(100, 300), (240, 240), (500, 500)])
def test_small_pictures_are_enlarged_by_a_whole_number(width: int, becomes: int) -> None:
    picture = np.arange(3 * width, dtype=np.uint8).reshape(1, width, 3)
    large = legible(picture)
    assert large.shape == (3, becomes // width, becomes)
    assert torch.equal(large[:, 0, :: becomes // width], torch.from_numpy(picture[0].T.copy()))
