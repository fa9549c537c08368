"""FlatFormer's encoder: how its time and memory grow with the number of pillars.

The published encoder runs on pillars at random places of its grid. The exponent of the growth is
the slope of the logarithm of the time over that of the number: 1 is linear, 2 that of attention of
every pillar to every other one.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vision.backbones.registry import create_backbone
from vision.benchmarks.memory import in_fresh_process, peak_allocated, peak_growth
from vision.benchmarks.timing import print_versions, wall_times
from vision.ops.pillar_grid import PillarGrid

NAME = "flatformer_128"
MODES = ("inference", "training")


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        pillars: Numbers of pillars of a sweep.
        threads: Threads of PyTorch.
        rounds: Measured steps of each number.
        warmup: Steps before them.
        device: Where to compute.
    """

    pillars: Sequence[int]
    threads: int
    rounds: int
    warmup: int
    device: str


class Benchmark:
    """The encoder, and pillars for it.

    Args:
        settings: What is measured.
        count: Number of pillars.
    """

    def __init__(self, settings: Settings, count: int) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.device = torch.device(settings.device)
        self.encoder = create_backbone(NAME).to(self.device)
        rows, columns = PillarGrid().size
        place = torch.randperm(rows * columns)[:count].sort().values
        zeros = torch.zeros_like(place)
        coords = torch.stack([zeros, zeros, place // columns, place % columns], dim=1)
        self.coords = coords.to(self.device)
        width = self.encoder.feature_specs[0].channels
        self.features = torch.randn(count, width).to(self.device)

    def step(self, mode: str) -> Tensor:
        """A forward pass without gradients, or with the backward pass."""
        model = self.encoder.train(mode == "training")
        with torch.set_grad_enabled(mode == "training"):
            outputs: Tensor = model(self.features, self.coords)
        if mode == "training":
            model.zero_grad(set_to_none=True)
            outputs.square().mean().backward()
        return outputs


def measure_pillars(settings: Settings) -> None:
    """Print time and memory for each number of pillars, and how the time grows."""
    torch.set_num_threads(settings.threads)
    print_versions()
    for mode in MODES:
        sides = [partial(Benchmark(settings, n).step, mode) for n in settings.pillars]
        device = torch.device(settings.device)
        times = wall_times(sides, device, rounds=settings.rounds, warmup=settings.warmup)
        middle = [statistics.median(each) for each in times]
        print(f"{mode:20} {'ms':>10} {'us a pillar':>12} {'peak MiB':>10}")
        for count, seconds, step in zip(settings.pillars, middle, sides, strict=True):
            if device.type == "cuda":
                peak = peak_allocated(step)
            else:
                peak = in_fresh_process(_growth, settings, count, mode)
            share = 1e6 * seconds / count
            print(f"{count:20,} {1e3 * seconds:10.1f} {share:12.1f} {peak:10.0f}")
        if len(set(settings.pillars)) > 1:
            print(f"time grows with exponent {growth(settings.pillars, middle):.2f}")


def growth(counts: Sequence[int], seconds: Sequence[float]) -> float:
    """The exponent e of the power of the number that fits the times best.

    Args:
        counts: Numbers of pillars, not all the same.
        seconds: The time of each.
    """
    numbers, times = ([math.log(value) for value in values] for values in (counts, seconds))
    return statistics.linear_regression(numbers, times).slope


def _growth(settings: Settings, count: int, mode: str) -> float:
    """MiB by which one step makes a new process grow."""
    return peak_growth(partial(Benchmark(settings, count).step, mode))
