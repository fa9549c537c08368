"""The growth of memory and time with the size of images."""

from typing import Any

import pytest

from vision.backbones import manhattan
from vision.benchmarks.growth import Growth, growth_of_kept, growth_of_time

# One block of each kind: the growth is that of the published depths.
SHALLOW: dict[str, dict[str, Any]] = {
    "swin_tiny": {"depths": (2, 1, 1, 1)},
    "convnext_tiny": {"depths": (1, 1, 1, 1)},
    "hornet_tiny_gf": {"depths": (1, 1, 1, 1)},
    "cswin_tiny": {"depths": (1, 1, 1, 1)},
    "cvt_13": {"depths": (1, 1, 1)},
    "tnt_small": {"depth": 1},
    "rmt_tiny": {"depths": (1, 1, 1, 1)},
}


def test_exponent_of_a_power() -> None:
    sides = (100, 200, 300)
    assert Growth(sides, tuple(5.0 * side**3 for side in sides)).exponent == pytest.approx(1.5)


@pytest.mark.parametrize("name", SHALLOW)
def test_what_is_kept_grows_with_the_pixels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Fewer parts are counted faster, and what is not kept costs fake tensors nothing.
    monkeypatch.setattr(manhattan, "PART", 2**30)
    assert growth_of_kept(name, sides=(224, 1792), **SHALLOW[name]).exponent <= 1.02


def test_time_of_each_size() -> None:
    grown = growth_of_time("convnext_tiny", sides=(32, 64), rounds=1, depths=(1, 1, 1, 1))
    assert grown.sides == (32, 64)
    assert all(seconds > 0 for seconds in grown.costs)
