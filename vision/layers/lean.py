"""Layers that keep less for the backward pass: inputs that are cheap to make again are not kept.

A chain such as norm, linear, GELU, linear keeps the input of each of its layers. Those of the
linear layers are results of a norm and of an activation, which cost a small part of what a matrix
product costs: here the backward pass makes them again, from what the norm and the activation keep
anyway. Numbers are the same ones, bit for bit, as the same operations make them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.ops.tracing import is_traced

Result = TypeVar("Result")


class Lean(nn.Module):
    """Base of modules that can keep less for the backward pass.

    Attributes:
        lean: Whether it does; `set_lean` sets it.
    """

    lean = False

    def keeps_less(self) -> bool:
        """Whether to keep less now: not without gradients, nor where a compiler decides."""
        return self.lean and torch.is_grad_enabled() and not is_traced()

    def run_layer(
        self, layer: Callable[..., Result], *inputs: Callable[[], Tensor], cast: bool = True
    ) -> Result:
        """Call a layer on inputs, which are made again in the backward pass if less is kept.

        Args:
            layer: As in `call_lean`.
            *inputs: As in `call_lean`.
            cast: As in `call_lean`.
        """
        if self.keeps_less():
            return call_lean(layer, *inputs, cast=cast)
        return layer(*(make() for make in inputs))

    def run_scaled(
        self, layer: nn.Linear, make: Callable[[], Tensor], scale: Tensor | None
    ) -> Tensor:
        """Call a linear layer as `run_layer` does, and scale the channels of its result.

        Where less is kept, the weights are scaled instead of the result, which the gradient of the
        scale would need; not in float16, where small scales would make the weights zero.

        Args:
            layer: A linear layer to C channels.
            make: As in `call_lean`.
            scale: `(C,)`; None leaves the result as it is.
        """
        if scale is None:
            return self.run_layer(layer, make)
        if not self.keeps_less() or _computed_in(layer.weight) == torch.float16:
            return self.run_layer(layer, make) * scale
        bias = None if layer.bias is None else layer.bias * scale
        return call_lean(
            lambda x, weight: F.linear(x, weight, bias),
            make,
            lambda: layer.weight * scale[:, None],
        )


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


def call_lean(
    layer: Callable[..., Result], *inputs: Callable[[], Tensor], cast: bool = True
) -> Result:
    """Call a layer whose inputs are not kept for the backward pass, but made again there.

    Args:
        layer: A linear layer or convolution, or another function of tensors. What it keeps beside
            its inputs, such as weights, it keeps.
        *inputs: Make its inputs. They are called now, and again without gradients whenever the
            backward pass reads an input. What they use must not change until then, nor the names
            that a lambda looks up; and so they draw no random numbers and update no averages.
        cast: Whether autocast converts the inputs, as it does for linear layers, convolutions and
            matrix products. Then these keep the converted ones, which are made again too.

    Returns:
        The layer's result.
    """

    def converted(make: Callable[[], Tensor]) -> Tensor:
        x = make()
        return x.to(_computed_in(x)) if cast else x

    made = [converted(make) for make in inputs]
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
            again = converted(inputs[kept.number])
        return again.as_strided(kept.size, kept.stride, again.storage_offset() + kept.offset)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return layer(*made)


def given(value: Tensor, make: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Make an input of `call_lean` that is there already when it is called for the first time.

    Args:
        value: The input.
        make: Makes it again.
    """
    values = [value]
    return lambda: values.pop() if values else make()


def _computed_in(x: Tensor) -> torch.dtype:
    """The type in which a linear layer computes with `x`: autocast's, if it is on."""
    device = x.device.type
    if torch.is_autocast_enabled(device) and x.dtype == torch.float32:
        return torch.get_autocast_dtype(device)
    return x.dtype
