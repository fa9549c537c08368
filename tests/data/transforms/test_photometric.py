import colorsys
import importlib
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.properties import examples
from hypothesis import example, given
from hypothesis import strategies as st

from vision.data.transforms.photometric import (
    Distortion,
    adjust,
    apply_distortion,
    distort,
    sample_distortion,
    scale_saturation,
    turn_hue,
)
from vision.data.transforms.rng import SampleRng
from vision.mmcv.operators import provide_operators

# Greys, pure colours, and two channels that are equal, where the hue changes its branch.
EDGES = [(0, 0, 0), (255, 255, 255), (7, 7, 7), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
EDGES += [(9, 9, 3), (3, 9, 9), (9, 3, 9), (1, 0, 0), (255, 254, 255), (3, 9, 3)]
# In levels of a channel, of the 30 hues of a sixth of the circle: rounding, and half of 1 / 4096
# for each of up to 5 x 255 units, since OpenCV multiplies by a table of reciprocals.
HUE_ERROR = (0.5 + 0.5 * 5 * 255 / 4096) / 30 * 255


def pixels(seed: int = 0, height: int = 12, width: int = 16) -> np.ndarray:
    colours = np.random.default_rng(seed).integers(0, 256, (height * width, 3), dtype=np.uint8)
    colours[: len(EDGES)] = EDGES
    return colours.reshape(height, width, 3)


@given(st.integers(0, 999), st.floats(0.5, 1.5))
@examples(15)
def test_saturation_is_that_of_hsv(seed: int, factor: float) -> None:
    image = pixels(seed)
    changed = scale_saturation(image, factor)
    for before, after in zip(image.reshape(-1, 3), changed.reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(before / 255))
        expected = 255 * np.array(colorsys.hsv_to_rgb(h, min(1, s * factor), v))
        # Hue and saturation are rounded to 8 bits, the new saturation and the result are cut.
        assert np.abs(after - expected).max() < 1 + (after.max() / 255) * (1.5 + HUE_ERROR)


@given(st.integers(0, 999), st.integers(-18, 17))
@example(389, 0)  # (80, 12, 249) has the hue 128.6, of which OpenCV makes 128
@examples(15)
def test_hue_is_that_of_hsv(seed: int, steps: int) -> None:
    image = pixels(seed)
    changed = turn_hue(image, steps)
    for before, after in zip(image.reshape(-1, 3), changed.reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(before / 255))
        expected = 255 * np.array(colorsys.hsv_to_rgb((h + steps / 180) % 1, s, v))
        assert np.abs(after - expected).max() < 1 + (after.max() / 255) * (0.5 + HUE_ERROR)


def test_steps_by_hand() -> None:
    # (200, 80, 50): value 200, chroma 150, saturation 255 * 150 / 200 = 191.25, that is 191, hue
    # 30 * (80 - 50) / 150 = 6. Half the saturation is 95.5, cut to 95: red stays 200, blue is
    # 200 * (1 - 95 / 255) = 125.49 and green 200 * (1 - 95 / 255 * (1 - 6 / 30)) = 140.4.
    colour = np.array([200, 80, 50], dtype=np.uint8).reshape(1, 1, 3)
    assert scale_saturation(colour, 0.5).flatten().tolist() == [200, 140, 125]
    # Hue 6 - 8 = 178, as far before red as 2 after it, on the side of blue: blue is
    # 200 * (1 - 191 / 255 * (1 - 2 / 30)) = 60.2, green 200 * (1 - 191 / 255) = 50.2.
    assert turn_hue(colour, -8).flatten().tolist() == [200, 50, 60]
    # 80 + 17.9 = 97.9 and 50 * 1.27 = 63.5 are cut.
    assert adjust(colour, added=17.9).flatten().tolist() == [217, 97, 67]
    assert adjust(colour, factor=1.27).flatten().tolist() == [254, 101, 63]
    assert adjust(colour, factor=1.5).flatten().tolist() == [255, 120, 75]
    assert adjust(colour, added=-60.5).flatten().tolist() == [139, 19, 0]


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """mmsegmentation's transform, whose every step is taken, with the value that is set."""
    pytest.importorskip("mmseg")
    provide_operators()
    module = importlib.import_module("mmseg.datasets.transforms.transforms")
    monkeypatch.setattr(module.random, "randint", lambda low, high=None: 1 if high is None else 9)
    return module.PhotoMetricDistortion


@pytest.mark.parametrize("seed", [0, 1])
def test_each_step_agrees_with_mmsegmentation(theirs: Any, seed: int) -> None:
    # A multiple of 32 wide: OpenCV cuts what it does in vectors, and rounds the rest of a row.
    image = np.random.default_rng(seed).integers(0, 256, (24, 64, 3), dtype=np.uint8)
    bgr = np.ascontiguousarray(image[..., ::-1])
    expected = {
        "brightness": (theirs().convert(bgr, beta=17.4), adjust(image, added=17.4)),
        "contrast": (theirs().convert(bgr, alpha=1.31), adjust(image, factor=1.31)),
        "saturation": (
            theirs(saturation_range=(1.3, 1.3)).saturation(bgr),
            scale_saturation(image, 1.3),
        ),
        "hue": (theirs().hue(bgr), turn_hue(image, 9)),
    }
    for name, (their, ours) in expected.items():
        away = np.abs(their[..., ::-1].astype(int) - ours)
        assert away.max() <= 1, name
        assert (away > 0).mean() < 0.002, name  # where a product is a hair beside a whole number


def test_what_is_drawn_has_mmsegmentations_ranges_and_shares() -> None:
    torch.manual_seed(0)
    runs = [sample_distortion(SampleRng(), 18, shuffle=False) for _ in range(2000)]
    ranges = {
        **{"added": (-32, 32), "factor": (0.5, 1.5)},
        **{"saturation": (0.5, 1.5), "turn": (-18, 17)},
    }
    for name, (low, high) in ranges.items():
        values = [getattr(run, name) for run in runs if getattr(run, name) is not None]
        assert len(values) / len(runs) == pytest.approx(0.5, abs=0.04), name
        slack = 0.03 * (high - low)
        assert low <= min(values) < low + slack, name
        assert high - slack < max(values) <= high, name
    assert {run.turn for run in runs} == {None, *range(-18, 18)}
    assert {run.order for run in runs} == {None}
    first = sum(run.factor_first for run in runs) / len(runs)
    assert first == pytest.approx(0.5, abs=0.04)
    steps = {
        (r.added is None, r.factor is None, r.saturation is None, r.turn is None) for r in runs
    }
    assert len(steps) == 16


@pytest.mark.parametrize("number", range(32))
def test_brightness_comes_first_and_contrast_before_or_after_hue(number: int) -> None:
    """One step after the other, truncated each time, as the order says."""
    given = [number >> bit & 1 for bit in range(5)]
    drawn = Distortion(
        added=-17.4 if given[0] else None,
        factor=1.31 if given[1] else None,
        factor_first=bool(given[2]),
        saturation=0.63 if given[3] else None,
        turn=-5 if given[4] else None,
        order=None,
    )
    expected = pixels(number)
    image = expected.copy()
    for is_first in (True, False):
        if is_first and given[0]:
            expected = adjust(expected, added=-17.4)
        if given[1] and drawn.factor_first is is_first:
            expected = adjust(expected, factor=1.31)
        if is_first and given[3]:
            expected = scale_saturation(expected, 0.63)
        if is_first and given[4]:
            expected = turn_hue(expected, -5)
    np.testing.assert_array_equal(apply_distortion(image, drawn), expected)
    np.testing.assert_array_equal(image, pixels(number))


def test_an_image_is_not_written_to_and_keeps_its_form() -> None:
    image = torch.from_numpy(texture(9, 13, seed=0)).permute(2, 0, 1)
    kept = image.clone()
    for seed in range(8):
        torch.manual_seed(seed)
        changed = distort(image, SampleRng())
        assert changed.shape == image.shape
        assert changed.dtype == torch.uint8
        assert torch.equal(image, kept)
        torch.manual_seed(seed)
        assert torch.equal(distort(image, SampleRng()), changed)


def test_channels_change_places_on_demand() -> None:
    """In half of the images, to each of the six orders alike."""
    image = torch.from_numpy(pixels(height=3, width=8)).permute(2, 0, 1)
    found = np.zeros(2)
    for seed in range(120):
        made = []
        for shuffle in (False, True):
            torch.manual_seed(seed)
            made.append(distort(image, SampleRng(), hue=9, shuffle=shuffle))
        plain, shuffled = (one.reshape(3, -1).tolist() for one in made)
        assert sorted(plain) == sorted(shuffled)
        found[int(plain != shuffled)] += 1
    assert abs(found[1] / 120 - 0.5 * 5 / 6) < 0.12


def test_the_largest_turn_of_the_hue_is_an_option() -> None:
    """Of pure red, which every step but the hue leaves in red alone or grey."""
    image = torch.zeros(3, 1, 1, dtype=torch.uint8)
    image[0] = 200
    turns = []
    for seed in range(200):
        torch.manual_seed(seed)
        red, green, blue = (x / 255 for x in distort(image, SampleRng(), hue=9).flatten().tolist())
        hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
        turns += [(hue + 0.5) % 1 - 0.5] if saturation > 0.5 else []
    assert max(map(abs, turns)) * 360 <= 18.5
    assert max(turns) * 360 > 12
    assert min(turns) * 360 < -12
