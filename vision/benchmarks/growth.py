"""How the memory and the time of a backbone grow with the size of its images.

Costs grow as a power of the number of pixels, whose exponent is fitted by least squares of
logarithms: 1 is linear, 2 that of attention of every pixel to every other one. The exponent of time
stands beside that of the floating-point operations: what it is larger by is the machine's, not the
network's.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vision.backbones.encoder import MemoryMode
from vision.backbones.measure import count_gmacs
from vision.backbones.registry import create_backbone
from vision.benchmarks.computing import Computing
from vision.benchmarks.kept import in_mode, kept_bytes
from vision.benchmarks.measurement import Measurement, begin
from vision.benchmarks.results import Row, Table
from vision.benchmarks.timing import Times, times

KEPT_SIDES = (224, 448, 896, 1792)
TIMED_SIDES = (448, 896, 1344)
MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        names: Backbones.
        memory: Memory modes whose kept bytes are counted.
        kept_sides: Sides of the images of which they are counted, in pixels.
        sides: Sides of the images that are timed.
    """

    names: Sequence[str]
    memory: Sequence[MemoryMode]
    kept_sides: Sequence[int]
    sides: Sequence[int]


class Growth(NamedTuple):
    """What images of several sizes cost.

    Attributes:
        sides: Sides of the square images in pixels.
        costs: Bytes, seconds or operations of one image of each.
    """

    sides: tuple[int, ...]
    costs: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """The power of the number of pixels that the costs grow with; NaN for a single size."""
        return power([side * side for side in self.sides], self.costs)


def power(amounts: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent of the power of an amount that costs grow with, by least squares of logarithms.

    Args:
        amounts: Such as numbers of pixels.
        costs: What each costs.

    Returns:
        The exponent; NaN where all amounts are the same.
    """
    if len(set(amounts)) < 2:
        return math.nan
    logarithms = [[math.log(value) for value in values] for values in (amounts, costs)]
    return statistics.linear_regression(*logarithms).slope


def growth_of_kept(
    name: str,
    mode: MemoryMode = "fast",
    *,
    sides: Sequence[int] = KEPT_SIDES,
    **options: Any,
) -> Growth:
    """Count the bytes that the forward pass of training keeps, on fake tensors.

    Args:
        name: A backbone, as for `create_backbone`.
        mode: What it keeps, as for `Backbone.set_memory`.
        sides: Sides of the images in pixels.
        **options: Keywords of the backbone.
    """
    build = in_mode(name, mode, **options)
    costs = tuple(float(kept_bytes(build, (1, 3, side, side))) for side in sides)
    return Growth(tuple(sides), costs)


def growth_of_work(name: str, *, sides: Sequence[int], **options: Any) -> Growth:
    """Count the floating-point operations of the vector of an image, two for a multiply-add.

    Args:
        name: A backbone, as for `create_backbone`.
        sides: Sides of the images in pixels.
        **options: Keywords of the backbone.
    """
    with torch.device("meta"):
        backbone = create_backbone(name, **options).eval()
    return Growth(tuple(sides), tuple(2e9 * count_gmacs(backbone, (side, side)) for side in sides))


def times_of_sides(
    name: str, settings: Computing, *, sides: Sequence[int], **options: Any
) -> list[Times]:
    """Measure inference of one image of each size.

    The sizes alternate, so that a slow change of the machine's speed affects all alike.

    Args:
        name: A backbone, as for `create_backbone`; its weights are random.
        settings: How it computes.
        sides: Sides of the images in pixels.
        **options: Keywords of the backbone.
    """
    torch.manual_seed(0)
    backbone = create_backbone(name, **options).to(settings.place).eval()
    images = [torch.randn(1, 3, side, side).to(settings.place) for side in sides]

    @torch.inference_mode()
    def embed(image: Tensor) -> None:
        with settings.autocast():
            backbone.embed(image)

    steps: list[Callable[[], None]] = [partial(embed, image) for image in images]
    return times(steps, settings.place, rounds=settings.rounds, warmup=settings.warmup)


def measure_growth(settings: Settings) -> Table:
    """Measure each backbone: kept bytes, time, and the exponents of their growth."""
    measured = begin("Growth with the number of pixels", settings)
    for name in settings.names:
        for mode in settings.memory:
            kept = growth_of_kept(name, mode, sides=settings.kept_sides)
            for side, cost in zip(kept.sides, kept.costs, strict=True):
                row = Row(f"{name}, kept, {mode} at {side} x {side}", "MiB/image", cost / MIB)
                measured.add(row)
            _add_exponent(measured, f"{name}, kept, {mode}", kept.exponent)
        found = times_of_sides(name, settings, sides=settings.sides)
        for side, one in zip(settings.sides, found, strict=True):
            measured.add_times(f"{name}, inference at {side} x {side}", [one])
        # A GPU's time is none of the processor's.
        wall = settings.place.type == "cuda"
        seconds = [statistics.median(one.wall if wall else one.processor) for one in found]
        grown = Growth(tuple(settings.sides), tuple(seconds))
        work = growth_of_work(name, sides=settings.sides)
        _add_exponent(measured, f"{name}, inference", grown.exponent, work.exponent)
    return measured.table()


def _add_exponent(
    measured: Measurement, label: str, ours: float, work: float | None = None
) -> None:
    """Add an exponent, beside that of the operations; none where there is a single size."""
    if not math.isnan(ours):
        found = [ours] if work is None else [ours, work]
        measured.add_counts(f"{label} grows with pixels", "exponent", found, "FLOPs")
