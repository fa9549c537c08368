"""Helpers of the benchmarks: the peak memory of a step."""

import multiprocessing
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def peak_allocated(step: Callable[[], Any]) -> float:
    """MiB that a step on a GPU allocates at most over what is held before it."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def peak_growth(step: Callable[[], Any]) -> float:
    """MiB by which a step makes this process grow at most; Linux.

    In a fresh process: what an old one has freed and kept is used again, and is not counted.
    """
    # Forget the peak of what came before.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    step()
    return _resident("VmHWM") - before


def in_fresh_process(measure: Callable[..., float], *arguments: Any) -> float:
    """The result of a function in a new process.

    Args:
        measure: A function of a module.
        arguments: Its arguments, which are pickled.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def _resident(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, name
    return int(found[1]) / 1024
