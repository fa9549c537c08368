"""The peak of what a computation holds, counted by PyTorch's allocator.

The memory of a process would include the code that kernels load and what the allocator of the
system keeps, which differ from machine to machine.
"""

from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile


def peak_bytes(compute: Callable[[], Any]) -> int:
    """Bytes of tensors that a computation on the CPU holds at most, over what was held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        compute()
    recorded = profiled.profiler.kineto_results.events()
    changes = [event for event in recorded if event.name() == "[memory]"]
    held = most = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        held += change.nbytes()
        most = max(most, held)
    return most
