"""Helpers of the benchmarks: the time of a step, and rows of ours beside theirs."""

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
    """Median wall seconds of each side's step; the sides alternate.

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
    return [statistics.median(measured) for measured in times]


def print_row(label: str, values: list[float]) -> None:
    """Print ours, theirs and theirs over ours."""
    cells = [f"{value:10.2f}" for value in values]
    ratio = f"{values[1] / values[0]:8.2f}" if len(values) > 1 else ""
    print(f"{label:44}", *cells, ratio)


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
