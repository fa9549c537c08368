"""Operators of PyTorch that a step calls."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class _Counted(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.calls[str(func)] += 1
        return func(*args, **(kwargs or {}))


def count_operators(step: Callable[[], Any]) -> Counter[str]:
    """Number of calls of each operator in a step, views and its backward pass among them.

    Each call costs some microseconds of the host, also where a GPU computes. The number depends on
    neither the machine nor its load.
    """
    with _Counted() as counted:
        step()
    return counted.calls
