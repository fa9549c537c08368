"""Helpers of the benchmarks: the time of a step, and rows of ours beside theirs."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from vision.machine import cpu_name, list_versions


def seconds(step: Callable[[], Any], device: torch.device) -> float:
    """Wall time of one step, with the device synchronised before and after."""
    synchronize = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    synchronize()
    start = time.perf_counter()
    step()
    synchronize()
    return time.perf_counter() - start


def medians(
    sides: Sequence[Callable[[], Any]], device: torch.device, *, rounds: int, warmup: int
) -> list[float]:
    """Median wall seconds of each side's step; the arguments are those of `wall_times`."""
    times = wall_times(sides, device, rounds=rounds, warmup=warmup)
    return [statistics.median(measured) for measured in times]


def wall_times(
    sides: Sequence[Callable[[], Any]], device: torch.device, *, rounds: int, warmup: int
) -> list[list[float]]:
    """Wall seconds of each side's steps; the sides alternate.

    Args:
        sides: A step of each side.
        device: Where they compute.
        rounds: Number of measured steps of each.
        warmup: Number of steps of each before them.
    """
    times: list[list[float]] = [[] for _ in sides]
    for i in range(rounds + warmup):
        for side, measured in zip(sides, times, strict=True):
            elapsed = seconds(side, device)
            if i >= warmup:
                measured.append(elapsed)
    return times


def ratio_interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of theirs over ours.

    That of the mean logarithm of the ratio in each round, by Student's distribution.

    Args:
        ours: Time of each round.
        theirs: The same of the other side.

    Returns:
        The lower and the upper end; infinitely far apart for a single round.
    """
    from scipy.stats import t as student

    logarithms = [math.log(b / a) for a, b in zip(ours, theirs, strict=True)]
    count = len(logarithms)
    if count < 2:
        return 0.0, math.inf
    mean = statistics.mean(logarithms)
    error = statistics.stdev(logarithms) / math.sqrt(count)
    reach = float(student.ppf(0.975, count - 1)) * error
    return math.exp(mean - reach), math.exp(mean + reach)


def print_row(label: str, values: list[float]) -> None:
    """Print ours, theirs and theirs over ours."""
    cells = [f"{value:10.2f}" for value in values]
    ratio = f"{values[1] / values[0]:8.2f}" if len(values) > 1 else ""
    print(f"{label:44}", *cells, ratio)


def print_compared(label: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Print the medians of two sides' times in milliseconds, and the ratio with its interval.

    Args:
        label: Begins the row.
        ours: Seconds of each round.
        theirs: The same of the other side.
    """
    print_row(label, [1e3 * statistics.median(side) for side in (ours, theirs)])
    low, high = ratio_interval(ours, theirs)
    print(f"95 % interval of the ratio: {low:.2f} to {high:.2f}")


def print_head(ours: str = "ours", theirs: str = "theirs") -> None:
    """Print what the measurements run on, and the titles of the columns of `print_row`."""
    print_versions()
    print(f"{'':44} {ours:>10} {theirs:>10} {'ratio':>8}")


def print_versions() -> None:
    """Print what the measurements run on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()
    versions = list_versions(("torch", "timm", "transformers"))
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"{device}, {torch.get_num_threads()} threads, {shown}")
