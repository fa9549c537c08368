"""Helpers of the benchmarks: the peak memory of a step."""

import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

from vision.errors import ConfigError

Result = TypeVar("Result")


def peak_allocated(step: Callable[[], Any]) -> float:
    """MiB that a step on a GPU allocates at most over what is held before it."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def peak_of_tensors(step: Callable[[], Any]) -> float:
    """MiB that PyTorch's allocator of the CPU holds at most during a step over what it held before.

    Exact, and the same each time. What operators allocate by other means, such as the scratch
    memory of oneDNN, is not counted. Memory from before the step that it frees lowers the count.
    """
    with _without_stderr(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    assert seen.profiler is not None
    events = seen.profiler.kineto_results.events()
    changes = sorted((one.start_ns(), one.nbytes()) for one in events if one.name() == "[memory]")
    return max(accumulate(size for _, size in changes), default=0) / 2**20


@contextmanager
def _without_stderr() -> Iterator[None]:
    # The profiler's library writes lines of its own there, past Python.
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def peak_growth(step: Callable[[], Any]) -> float:
    """MiB by which a step makes this process grow at most; Linux.

    In a fresh process: what an old one has freed and kept is used again, and is not counted.
    """
    # Forget the peak of what came before.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    step()
    return _resident("VmHWM") - before


def peaks(
    steps: Sequence[Callable[[], Any]],
    device: torch.device,
    *,
    clear: Callable[[], Any] = lambda: None,
) -> list[float]:
    """MiB that PyTorch's allocator holds at most during each step over what it held before.

    Args:
        steps: The steps.
        device: Where they compute.
        clear: Drops what an earlier step has left, such as gradients; called before each.
    """
    peak = peak_allocated if device.type == "cuda" else peak_of_tensors
    found = []
    for step in steps:
        clear()
        found.append(peak(step))
    return found


def in_fresh_process(measure: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function in a new process.

    Args:
        measure: A function of a module.
        arguments: Its arguments, which are pickled.

    Raises:
        ConfigError: The process was ended from outside.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(measure, *arguments).result()
        except BrokenProcessPool as error:
            raise ConfigError(
                "the process that measures memory was ended from outside: most likely memory is "
                "full (the log of the system says so: dmesg). Measure a smaller size or batch."
            ) from error


def _resident(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, name
    return int(found[1]) / 1024
