"""The growth of memory and time with the size of images."""

import math
from typing import Any

import pytest
import torch

from vision.backbones import manhattan
from vision.backbones.convnext import VARIANTS
from vision.benchmarks.growth import Growth, Settings, growth_of_kept, measure_growth

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


def test_no_exponent_of_a_single_size() -> None:
    assert math.isnan(Growth((32,), (1.0,)).exponent)


def test_rows_of_each_size_and_their_exponents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "one", {"dims": (8, 16, 16, 16), "depths": (1, 1, 1, 1)})
    settings = Settings(
        names=["convnext_one"], memory=["fast", "lean"], kept_sides=[32, 64], sides=[64, 128],
        rounds=2, warmup=0, threads=torch.get_num_threads(), device="cpu",
    )  # fmt: skip
    rows = {(row.label, row.unit): row for row in measure_growth(settings).rows}
    kept = [rows[f"convnext_one, kept, fast at {s} x {s}", "MiB/image"].ours for s in (32, 64)]
    assert kept[1] == pytest.approx(4 * kept[0], rel=0.05)
    grown = rows["convnext_one, kept, lean grows with pixels", "exponent"]
    assert (grown.ours, grown.theirs) == (pytest.approx(1, abs=0.05), None)
    assert rows["convnext_one, inference at 64 x 64", "CPU ms/image"].rounds == 2
    time = rows["convnext_one, inference grows with pixels", "exponent"]
    # A convolution does the same work for each pixel.
    assert (time.peer, time.theirs) == ("FLOPs", pytest.approx(1, abs=1e-3))
