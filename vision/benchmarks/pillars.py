"""FlatFormer's encoder: how its time and memory grow with the number of pillars.

The published encoder runs on pillars at random places of its grid. The exponent of the growth is
that of `vision.benchmarks.growth`: 1 is linear, 2 that of attention of every pillar to every other
one.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vision.backbones.registry import create_backbone
from vision.benchmarks.computing import Computing
from vision.benchmarks.growth import power
from vision.benchmarks.measurement import begin
from vision.benchmarks.memory import peaks
from vision.benchmarks.results import Table
from vision.benchmarks.timing import times
from vision.ops.pillar_grid import PillarGrid

NAME = "flatformer_128"
MODES = ("inference", "training")


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        pillars: Numbers of pillars of a sweep.
    """

    pillars: Sequence[int]


class Benchmark:
    """The encoder, and pillars for it.

    Args:
        settings: What is measured.
        count: Number of pillars.
    """

    def __init__(self, settings: Settings, count: int) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.settings = settings
        self.encoder = create_backbone(NAME).to(settings.place)
        rows, columns = PillarGrid().size
        place = torch.randperm(rows * columns)[:count].sort().values
        zeros = torch.zeros_like(place)
        coords = torch.stack([zeros, zeros, place // columns, place % columns], dim=1)
        self.coords = coords.to(settings.place)
        width = self.encoder.feature_specs[0].channels
        self.features = torch.randn(count, width).to(settings.place)

    def step(self, mode: str) -> Tensor:
        """A forward pass without gradients, or with the backward pass."""
        model = self.encoder.train(mode == "training")
        with torch.set_grad_enabled(mode == "training"), self.settings.autocast():
            outputs: Tensor = model(self.features, self.coords)
        if mode == "training":
            model.zero_grad(set_to_none=True)
            outputs.square().mean().backward()
        return outputs


def measure_pillars(settings: Settings) -> Table:
    """Measure time and memory for each number of pillars, and how the time grows."""
    measured = begin(f"Pillars through {NAME}", settings)
    for mode in MODES:
        benches = [Benchmark(settings, count) for count in settings.pillars]
        steps = [partial(bench.step, mode) for bench in benches]
        found = times(steps, settings.place, rounds=settings.rounds, warmup=settings.warmup)
        tops = [
            top
            for bench, step in zip(benches, steps, strict=True)
            for top in peaks([step], settings.place, clear=bench.encoder.zero_grad)
        ]
        for count, one, top in zip(settings.pillars, found, tops, strict=True):
            label = f"{mode}, {count:,} pillars"
            measured.add_times(label, [one], of="sweep")
            measured.add_counts(f"{label}, peak", "MiB", [top])
        exponent = power(settings.pillars, [statistics.median(one.wall) for one in found])
        if not math.isnan(exponent):
            measured.add_counts(f"{mode} grows with pillars", "exponent", [exponent])
    return measured.table()
