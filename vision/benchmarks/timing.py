"""The times of steps whose sides alternate, and the interval of their ratio."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from vision.machine import cpu_name, list_versions

CONFIDENCE = 0.95
# Up to here the smallest and the largest of all rounds contain the median less often than that.
FEW_ROUNDS = 6


class Times(NamedTuple):
    """Times of the rounds of one side, in seconds.

    Attributes:
        wall: By the clock.
        processor: Processor time of all threads of this process.
    """

    wall: list[float]
    processor: list[float]


def times(
    sides: Sequence[Callable[[], Any]], device: torch.device, *, rounds: int, warmup: int
) -> list[Times]:
    """Times of each side's steps.

    The sides alternate, and every second round runs them in reverse (A B, B A, A B, ...), so that
    a slow change of the machine's speed, or what one side leaves to the next, affects all alike.

    Args:
        sides: A step of each side.
        device: Where they compute.
        rounds: Number of measured steps of each.
        warmup: Number of steps of each before them.
    """
    measured = [Times([], []) for _ in sides]
    for i in range(rounds + warmup):
        order = range(len(sides))
        for number in order if i % 2 == 0 else reversed(order):
            wall, processor = _timed(sides[number], device)
            if i >= warmup:
                measured[number].wall.append(wall)
                measured[number].processor.append(processor)
    return measured


def _timed(step: Callable[[], Any], device: torch.device) -> tuple[float, float]:
    """Wall and processor seconds of a step."""
    synchronize = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    synchronize()
    start, used = time.perf_counter(), time.process_time()
    step()
    synchronize()
    return time.perf_counter() - start, time.process_time() - used


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of theirs over ours within a round; the arguments are those of `ratio_interval`.

    Of neighbours in time, so that what slows both down for some rounds does not change it.
    """
    logarithms = [math.log(b / a) for a, b in zip(ours, theirs, strict=True)]
    return math.exp(statistics.median(logarithms))


def ratio_interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of theirs over ours.

    From six rounds on, that of the median by order statistics: it assumes no distribution, and a
    burst of other work on the machine does not widen it. Below, where order statistics reach no
    95 %, that of the mean logarithm by Student's distribution, which for so few rounds contains
    their median too.

    Args:
        ours: Time of each round.
        theirs: The same of the other side.

    Returns:
        The lower and the upper end; infinitely far apart for a single round.
    """
    logarithms = sorted(math.log(b / a) for a, b in zip(ours, theirs, strict=True))
    count = len(logarithms)
    if count < 2:
        return 0.0, math.inf
    if count < FEW_ROUNDS:
        from scipy.stats import t as student

        mean = statistics.mean(logarithms)
        error = statistics.stdev(logarithms) / math.sqrt(count)
        reach = float(student.ppf(0.975, count - 1)) * error
        return math.exp(mean - reach), math.exp(mean + reach)
    # As many are left out at each end as a fair coin of so many throws allows.
    left_out, chance = 0, 0.5**count
    while chance + math.comb(count, left_out + 1) * 0.5**count <= (1 - CONFIDENCE) / 2:
        left_out += 1
        chance += math.comb(count, left_out) * 0.5**count
    return math.exp(logarithms[left_out]), math.exp(logarithms[-1 - left_out])


def print_versions() -> None:
    """Print what the measurements run on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()
    versions = list_versions(("torch", "timm", "transformers"))
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"{device}, {torch.get_num_threads()} threads, {shown}")
