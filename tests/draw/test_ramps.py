"""Colours for numbers: steps look equally large, and order can be read in grey too."""

import itertools

import numpy as np
import pytest
from helpers.color_difference import color_difference, to_lab

from vision.draw.color_space import from_lab
from vision.draw.color_space import to_lab as to_lab_rows
from vision.draw.ramps import DEPTH, ERROR, SIGNED, even_ramp, ramp_colors


@pytest.mark.parametrize("anchors", [DEPTH, SIGNED, ERROR])
def test_steps_look_equally_large(anchors: tuple) -> None:
    ramp = even_ramp(anchors)
    assert tuple(ramp[0]) == anchors[0]
    assert tuple(ramp[-1]) == anchors[-1]
    # Sixteen steps at once: rounding of colours matters less.
    differences = [color_difference(*pair) for pair in zip(ramp[::17], ramp[17::17], strict=False)]
    assert max(differences) < 2.2 * min(differences)


def test_far_is_darker_than_near_all_the_way() -> None:
    light = [to_lab(color)[0] for color in even_ramp(DEPTH)[::5]]
    assert all(one > other for one, other in itertools.pairwise(light))


def test_lab_is_read_back() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (50, 3))
    assert from_lab(to_lab_rows(colors)) == pytest.approx(colors, abs=0.1)
    assert to_lab_rows(colors)[0] == pytest.approx(to_lab(colors[0]))


def test_numbers_outside_have_the_end_colours() -> None:
    found = ramp_colors(np.array([-1.0, 0.0, 1.0, np.inf, np.nan]), ERROR)
    assert found.tolist() == [list(ERROR[0])] * 2 + [list(ERROR[-1])] * 2 + [list(ERROR[0])]
