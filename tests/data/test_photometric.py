import colorsys
import importlib
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pictures import texture
from properties import examples

from vision.data import photometric
from vision.data.draws import Draws
from vision.data.photometric import distort, shift_and_scale, turn_colors
from vision.ops.mmcv_operators import provide_operators

# Greys, pure colours, and two channels that are equal, where the hue changes its branch.
EDGES = [(0, 0, 0), (255, 255, 255), (7, 7, 7), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
EDGES += [(9, 9, 3), (3, 9, 9), (9, 3, 9), (1, 0, 0), (255, 254, 255), (3, 9, 3)]


def planes(seed: int = 0, height: int = 12, width: int = 16) -> np.ndarray:
    colours = np.random.default_rng(seed).integers(0, 256, (height * width, 3), dtype=np.uint8)
    colours[: len(EDGES)] = EDGES
    return np.ascontiguousarray(colours.T).reshape(3, height, width)


@given(st.integers(0, 999), st.floats(0.5, 1.5), st.floats(-36, 36))
@examples(15)
def test_saturation_and_hue_are_those_of_hsv(seed: int, saturation: float, hue: float) -> None:
    image = planes(seed)
    changed = turn_colors(image, saturation=saturation, hue=hue)
    for before, after in zip(image.reshape(3, -1).T, changed.reshape(3, -1).T, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(before / 255))
        expected = colorsys.hsv_to_rgb((h + hue / 360) % 1, min(1, s * saturation), v)
        assert np.abs(after - 255 * np.array(expected)).max() < 0.501


@pytest.mark.parametrize("chunk", [1, 7, 192])
def test_the_work_in_parts_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = turn_colors(planes(), saturation=1.2, hue=20.0)
    monkeypatch.setattr(photometric, "CHUNK", chunk)
    np.testing.assert_array_equal(turn_colors(planes(), saturation=1.2, hue=20.0), whole)


def test_values_are_shifted_then_scaled() -> None:
    levels = np.arange(256, dtype=np.uint8)
    for shift, factor in [(0.0, 1.5), (-20.3, 0.5), (31.6, 1.2), (12.0, 1.0)]:
        expected = np.rint(np.clip(np.rint(levels + shift), 0, 255) * factor).clip(0, 255)
        np.testing.assert_array_equal(shift_and_scale(levels, shift, factor), expected)
    assert shift_and_scale(levels, 0.0, 1.0) is levels


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
    image = np.ascontiguousarray(texture(24, 32, seed=seed).transpose(2, 0, 1))
    bgr = np.ascontiguousarray(image[::-1].transpose(1, 2, 0))
    expected = {
        # It cuts values to whole numbers, and rounds hue and saturation to 8 bits on the way.
        "brightness": (theirs().convert(bgr, beta=17.4), shift_and_scale(image, 17.4, 1.0), 1),
        "contrast": (theirs().convert(bgr, alpha=1.31), shift_and_scale(image, 0.0, 1.31), 1),
        "saturation": (
            theirs(saturation_range=(1.3, 1.3)).saturation(bgr),
            turn_colors(image, saturation=1.3, hue=0.0),
            4,
        ),
        "hue": (theirs().hue(bgr), turn_colors(image, saturation=1.0, hue=18.0), 8),
    }
    for name, (their, ours, most) in expected.items():
        away = np.abs(their[..., ::-1].transpose(2, 0, 1).astype(int) - ours)
        assert away.max() <= most, name
        assert away.mean() < 1.5, name


def test_what_is_drawn_has_mmsegmentations_ranges_and_shares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[tuple[str, float, float]] = []

    def shift(planes: np.ndarray, shift: float, factor: float) -> np.ndarray:
        steps.append(("values", shift, factor))
        return planes

    def turn(planes: np.ndarray, *, saturation: float, hue: float) -> np.ndarray:
        steps.append(("colours", saturation, hue))
        return planes

    monkeypatch.setattr(photometric, "shift_and_scale", shift)
    monkeypatch.setattr(photometric, "turn_colors", turn)
    torch.manual_seed(0)
    image = torch.zeros(3, 1, 1, dtype=torch.uint8)
    runs = []
    for _ in range(2000):
        steps.clear()
        distort(image, Draws())
        runs.append([*steps])
    turned = [run for run in runs if len(run) == 3]
    assert len(turned) / len(runs) == pytest.approx(0.75, abs=0.04)
    shifts = np.array([run[0][1] for run in runs])
    saturations, hues = np.array([run[1][1:] for run in turned]).T
    before, after = np.array([(run[0][2], run[2][2]) for run in turned]).T
    drawn = {
        "brightness": (shifts[shifts != 0], -32, 32, len(runs)),
        "saturation": (saturations[saturations != 1], 0.5, 1.5, len(runs)),
        "hue": (hues[hues != 0], -36, 36, len(runs)),
    }
    for name, (values, low, high, count) in drawn.items():
        assert len(values) / count == pytest.approx(0.5, abs=0.04), name
        assert low <= values.min() < low + 0.03 * (high - low), name
        assert high - 0.03 * (high - low) < values.max() <= high, name
    # Contrast comes once at most, and as often before as after.
    assert not ((before != 1) & (after != 1)).any()
    for values in (before, after):
        assert (values != 1).mean() == pytest.approx(0.25, abs=0.05)
        chosen = values[values != 1]
        assert 0.5 <= chosen.min() < 0.55
        assert 1.45 < chosen.max() <= 1.5
    assert all(run[2][1] == 0 for run in turned)


def test_an_image_is_not_written_to_and_keeps_its_form() -> None:
    image = torch.from_numpy(texture(9, 13, seed=0)).permute(2, 0, 1)
    kept = image.clone()
    for seed in range(8):
        torch.manual_seed(seed)
        changed = distort(image, Draws())
        assert changed.shape == image.shape
        assert changed.dtype == torch.uint8
        assert torch.equal(image, kept)
        torch.manual_seed(seed)
        assert torch.equal(distort(image, Draws()), changed)
