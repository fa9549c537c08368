"""A device that is not the CPU, simulated on the CPU: it shows what a program waits for on a GPU.

Tensors on it are computed on the CPU, but say that they are elsewhere, so that code takes its way
for accelerators. What needs the host to wait for the device, or the device for the host, is noted.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal, Self
from unittest.mock import patch

import torch
import torchvision.ops  # noqa: F401, registers its operators
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

# PyTorch runs the backward pass of this type in the thread of the caller, as that of the CPU.
DEVICE = torch.device("lazy")
aten = torch.ops.aten

# read: numbers are copied to the host. size: the host asks how many there are of something.
# write: numbers are copied from ordinary memory of the host, which waits for the device.
Wait = Literal["read", "size", "write"]
SIZES = {
    *(aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim, aten.unique_consecutive),
    *(aten.bincount, torch.ops.torchvision.nms),
}
MADE = (torch.tensor, torch.as_tensor, torch.asarray)


class Simulated(Tensor):
    """A tensor on the simulated device, with its values on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls: type[Self], values: Tensor) -> Self:
        """Wrap a tensor of the CPU."""
        made: Self = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )
        made.held = values
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Without the mode, only what shows a tensor is computed."""
        return _compute(func, args, kwargs or {}, on_device=True)


class Waits(TorchDispatchMode):
    """Runs operators of the simulated device, and notes what waits in `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Wait, str]] = []

    def note(self, wait: Wait, name: str) -> None:
        """Note a wait."""
        self.found.append((wait, name))

    def count(self, wait: Wait) -> int:
        """How many waits of a type were noted."""
        return sum(found == wait for found, _ in self.found)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute an operator where its result belongs."""
        kwargs = kwargs or {}
        leaves = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
        there = any(isinstance(x, Simulated) for x in leaves)
        device = kwargs.get("device")
        on_device = there if device is None else torch.device(device).type == DEVICE.type
        if there or on_device:
            self._note_waits(func, args, kwargs, there=there, on_device=on_device)
        return _compute(func, args, kwargs, on_device=on_device)

    def _note_waits(
        self, func: Any, args: Any, kwargs: Any, *, there: bool, on_device: bool
    ) -> None:
        packet, name = func.overloadpacket, str(func)
        if packet is aten._local_scalar_dense or (there and not on_device):
            self.note("read", name)
        elif packet is aten._to_copy and not there:
            if not kwargs.get("non_blocking"):
                self.note("write", name)
        elif packet is aten.copy_ and not kwargs.get("non_blocking") and args[2:3] != (True,):
            here = isinstance(args[0], Simulated)
            if here != isinstance(args[1], Simulated):
                self.note("write" if here else "read", name)
        elif packet in SIZES or (
            packet is aten.repeat_interleave and kwargs.get("output_size") is None
        ):
            self.note("size", name)
        elif packet in (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_):
            places = [x for x in args[1] if x is not None]
            if any(x.dtype in (torch.bool, torch.uint8) for x in places):
                self.note("size", name)
            if not all(isinstance(x, Simulated) for x in places):
                self.note("write", name)


class _Python(TorchFunctionMode):
    """What makes tensors from values, or values from tensors, beside operators."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.tolist and isinstance(args[0], Simulated):
            self.waits.note("read", "tolist")
            detached: Any = args[0].detach()
            return detached.held.tolist()
        if func in MADE and "device" in kwargs and kwargs["device"] is not None:
            device = torch.device(kwargs.pop("device"))
            return func(*args, **kwargs).to(device)
        if func is Tensor.new_tensor and isinstance(args[0], Simulated):
            kwargs.setdefault("dtype", args[0].dtype)
            return torch.tensor(*args[1:], **kwargs).to(DEVICE)
        return func(*args, **kwargs)


def _compute(func: Any, args: Any, kwargs: Any, *, on_device: bool) -> Any:
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": "cpu"}
    args, kwargs = tree_map_only(Simulated, lambda x: x.held, (args, kwargs))
    found = func(*args, **kwargs)
    return tree_map_only(Tensor, Simulated, found) if on_device else found


@contextmanager
def simulated_device() -> Iterator[Waits]:
    """Let `DEVICE` exist; what is done with it is noted in what this gives."""

    def as_cpu(
        function: Callable[..., Any], device: Any = "cpu", *more: Any, **options: Any
    ) -> Any:
        return function("cpu" if str(device) == DEVICE.type else device, *more, **options)

    waits = Waits()
    with ExitStack() as stack:
        # There is no autocast for this type of device.
        for name in ("autocast", "is_autocast_enabled", "get_autocast_dtype"):
            stack.enter_context(patch.object(torch, name, partial(as_cpu, getattr(torch, name))))
        stack.enter_context(_Python(waits))
        stack.enter_context(waits)
        yield waits
