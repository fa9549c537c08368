"""Layers that keep less for the backward pass: inputs that are cheap to make again are not kept.

A chain such as norm, linear, GELU, linear keeps the input of each of its layers. Those of the
linear layers are results of a norm and of an activation, which cost a small part of what a matrix
product costs: here the backward pass makes them again, from what the norm and the activation keep
anyway. Numbers are the same ones, bit for bit, as the same operations make them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vision.ops.tracing import is_traced


class Lean(nn.Module):
    """Base of modules that can keep less for the backward pass.

    Attributes:
        lean: Whether it does; `set_lean` sets it.
    """

    lean = False

    def keeps_less(self) -> bool:
        """Whether to keep less now: not without gradients, nor where a compiler decides."""
        return self.lean and torch.is_grad_enabled() and not is_traced()


def set_lean(module: nn.Module, enabled: bool) -> None:
    """Let all parts of a module that can keep less do so, or not."""
    for part in module.modules():
        if isinstance(part, Lean):
            part.lean = enabled


class _Place(NamedTuple):
    """Where a tensor lies in the input, of that number, which is made again."""

    number: int
    size: torch.Size
    stride: tuple[int, ...]
    offset: int


def call_lean(layer: Callable[..., Tensor], *inputs: Callable[[], Tensor]) -> Tensor:
    """Call a layer whose inputs are not kept for the backward pass, but made again there.

    Args:
        layer: A linear layer or convolution, or another function. What it keeps beside its inputs,
            such as weights, it keeps.
        *inputs: Make its inputs, each a new tensor. They are called now, and again without
            gradients whenever the backward pass reads an input. What they use must not change until
            then, and so they draw no random numbers and update no averages.

    Returns:
        The layer's result.
    """
    made = [_cast(make()) for make in inputs]
    storages = [one.untyped_storage()._cdata for one in made]
    offsets = [int(one.storage_offset()) for one in made]
    device = made[0].device.type
    state: dict[str, Any] = {
        "dtype": torch.get_autocast_dtype(device),
        "enabled": torch.is_autocast_enabled(device),
        "cache_enabled": False,
    }

    def pack(kept: Tensor) -> Any:
        storage = kept.untyped_storage()._cdata
        if storage not in storages:
            return kept
        number = storages.index(storage)
        return _Place(
            number, kept.size(), kept.stride(), int(kept.storage_offset()) - offsets[number]
        )

    def unpack(kept: Any) -> Tensor:
        if not isinstance(kept, _Place):
            tensor: Tensor = kept
            return tensor
        with torch.no_grad(), torch.autocast(device, **state):
            again = _cast(inputs[kept.number]())
        return again.as_strided(kept.size, kept.stride, again.storage_offset() + kept.offset)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return layer(*made)


def _cast(x: Tensor) -> Tensor:
    """What autocast makes of the input of a linear layer: that is what such a layer keeps."""
    device = x.device.type
    if torch.is_autocast_enabled(device) and x.dtype == torch.float32:
        return x.to(torch.get_autocast_dtype(device))
    return x
