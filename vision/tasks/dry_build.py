"""Build a task on the meta device first, to check whether the tensors of a file fit it.

A description may ask for a thousand million layers or classes. They are built on the meta device,
where a tensor has only a shape, and building stops as soon as it exceeds what the file can fill.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as registration

from vision.errors import CheckpointError

# Constructors build parts that they drop again, such as the classifier of a backbone for dense
# prediction, and parts without tensors.
PARTS_PER_TENSOR = 8
SPARE_PARTS = 10_000
SPARE_VALUES = 2**28


class _TooLargeError(Exception):
    """A task registers more than its file can fill."""


def dry_build(build: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> None:
    """Build a task on the meta device, and compare its tensors with a file's.

    Args:
        build: Builds the task.
        state: Tensor by key.

    Raises:
        CheckpointError: The task needs more or other tensors.
        Exception: What building raises.
    """
    try:
        with torch.device("meta"), _limited(state):
            task = build()
    except _TooLargeError as error:
        raise CheckpointError(
            f"what it describes is larger than the {len(state):,} tensors in it can fill. The file "
            "is damaged, or was not written by this suite: use another copy of it."
        ) from error
    _compare(task, state)
    spare = [b.numel() for key, b in task.named_buffers() if key not in state]
    if sum(spare) > SPARE_VALUES:
        raise CheckpointError(
            f"what it describes needs tables of {sum(spare):,} numbers beside the tensors in it, "
            f"more than {SPARE_VALUES:,}."
        )


def _compare(task: nn.Module, state: Mapping[str, Tensor]) -> None:
    own = task.state_dict()
    absent = [key for key in own if key not in state]
    extra = [key for key in state if key not in own]
    name = type(task).__name__
    if absent or extra:
        first = f"it has no '{absent[0]}'" if absent else f"it also has '{extra[0]}'"
        raise CheckpointError(
            f"its tensors do not fit the {name} that it describes: {first} "
            f"({len(absent)} are missing, {len(extra)} too many)."
        )
    for key, tensor in own.items():
        given = state[key]
        if given.shape != tensor.shape:
            raise CheckpointError(
                f"'{key}' is {tuple(given.shape)} in it, but the {name} that it describes needs "
                f"{tuple(tensor.shape)}."
            )
        if given.is_floating_point() != tensor.is_floating_point():
            raise CheckpointError(
                f"'{key}' holds {given.dtype} in it, but the {name} that it describes needs "
                f"{tensor.dtype}."
            )


@contextmanager
def _limited(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Count what modules register in this thread, up to what the tensors can fill."""
    parts = PARTS_PER_TENSOR * len(state) + SPARE_PARTS
    values = 4 * sum(tensor.numel() for tensor in state.values()) + SPARE_VALUES
    thread = threading.get_ident()

    def count(_module: nn.Module, _name: str, part: Any) -> None:
        nonlocal parts, values
        if threading.get_ident() != thread:
            return
        parts -= 1
        values -= part.numel() if isinstance(part, Tensor) else 0
        if parts < 0 or values < 0:
            raise _TooLargeError

    handles = [
        registration.register_module_parameter_registration_hook(count),
        registration.register_module_buffer_registration_hook(count),
        registration.register_module_module_registration_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
