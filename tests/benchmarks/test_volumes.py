"""Both sides of the benchmark of Swin UNETR compute the same, with and without flash attention."""

import sys

import pytest
from helpers.refusals import refuses

from vision.benchmarks.volumes import Benchmark, Settings
from vision.errors import MissingPackageError

SETTINGS = Settings(
    feature_size=12, sizes=[64], batch=1, threads=1, rounds=1, warmup=0, device="cpu"
)


@pytest.mark.parametrize("flash", [False, True])
def test_both_sides_give_the_same_logits(flash: bool) -> None:
    pytest.importorskip("monai")
    pytest.importorskip("einops")
    both = Benchmark(SETTINGS, 64, flash=flash)
    # A patch with fewer cells is enough.
    both.volumes = both.volumes[..., :32, :32]
    assert both.compare() < 1e-5


def test_the_other_side_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai.networks.nets.swin_unetr", None)
    with refuses(MissingPackageError, "MONAI", "pip install monai einops"):
        Benchmark(SETTINGS, 64)
