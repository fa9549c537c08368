"""UPerNets of others with our weights: the same logits and losses, or no times."""

from collections.abc import Iterator

import pytest
import torch
from helpers.refusals import refuses
from torch import nn

from vision.backbones import swin
from vision.benchmarks.measurement import UnequalSidesError
from vision.benchmarks.peers import upernet
from vision.benchmarks.peers.upernet import SOURCES, build_sides
from vision.benchmarks.results import Row
from vision.benchmarks.segmentation import Benchmark, Settings, measure_segmentation
from vision.errors import ConfigError

SETTINGS = Settings(
    against="mmsegmentation", backbone="swin_one", batch=2, size=64, channels_last=False,
    rounds=2, warmup=0, threads=1, device="cpu",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small backbone and narrow heads; the benchmarks choose a number of threads."""
    small = {"dim": 16, "depths": (1, 2, 1, 1), "num_heads": (1, 2, 4, 8), "window_size": 4}
    monkeypatch.setitem(swin.VARIANTS, "one", small)
    monkeypatch.setattr(upernet, "CHANNELS", 16)
    monkeypatch.setattr(upernet, "AUXILIARY_CHANNELS", 8)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("source", SOURCES)
def test_both_sides_give_the_same_logits_and_losses(source: str) -> None:
    both = Benchmark(SETTINGS, source)
    assert both.compare("UPerNet") < 1e-5
    classes = [side.eval().classes(both.batch) for side in both.sides]
    assert (classes[0] == classes[1]).float().mean() > 0.999
    for number, side in enumerate(both.sides):
        both.step("training", number)
        # Of transformers' Swin, the norm of its classifier takes no part.
        heads = [p for name, p in side.named_parameters() if "backbone." not in name]
        assert all(p.grad is not None for p in heads)


def test_rows_of_both_modes() -> None:
    table = measure_segmentation(SETTINGS)
    rows = {(row.label.rpartition("swin_one, ")[2], row.unit): row for row in table.rows}
    for mode in ("inference", "training"):
        row = rows[mode, "ms/image"]
        assert (row.peer, row.rounds) == ("mmsegmentation", 2)
        assert row.difference is not None
    # Both hold at least their gradients, whichever side takes its step first.
    both = Benchmark(SETTINGS, "mmsegmentation")
    for side, peak in zip(both.sides, _sides(rows["training, peak", "MiB"]), strict=True):
        assert peak > sum(4 * p.numel() for p in side.parameters()) / 2**20


def _sides(row: Row) -> tuple[float, float]:
    assert row.theirs is not None
    return row.ours, row.theirs


def test_other_weights_are_refused() -> None:
    both = Benchmark(SETTINGS, "mmsegmentation")
    nn.init.normal_(both.sides[1].get_parameter("decode_head.conv_seg.weight"))
    with refuses(UnequalSidesError, "UPerNet: outputs of the sides differ"):
        both.compare("UPerNet")


def test_a_backbone_that_the_other_side_lacks() -> None:
    with refuses(ConfigError, "'cvt'", "swin and convnext", "--against mmsegmentation"):
        build_sides("cvt_13", "transformers", classes=3, size=64)
