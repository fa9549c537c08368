"""Changes besides names between another implementation's tensors and ours, both ways.

Every operation works under our names: after the names were read, or before they are written.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

State = Mapping[str, Tensor]


def _unchanged(state: State, module: Any = None) -> dict[str, Tensor]:
    return dict(state)


@dataclass(frozen=True)
class Operation:
    """A change of tensors and its inverse.

    Attributes:
        read: Their tensors, under our names, to ours.
        write: Our tensors, and the backbone that they belong to, to theirs under our names.
    """

    read: Callable[[State], dict[str, Tensor]] = _unchanged
    write: Callable[[State, Any], dict[str, Tensor]] = _unchanged


def join(whole: str, parts: Mapping[str, int]) -> Operation:
    """Join several layers there into one layer here, its rows in the order of the parts.

    Args:
        whole: Part of the names of our layer, such as `".attn.qkv."`.
        parts: Its replacement there for each part, and the part's share of the rows.
    """
    first = next(iter(parts))

    def read(state: State) -> dict[str, Tensor]:
        joined = dict(state)
        for key in state:
            names = [key.replace(first, part) for part in parts]
            if first in key and all(name in state for name in names):
                joined[key.replace(first, whole)] = torch.cat([joined.pop(n) for n in names])
        return joined

    def write(state: State, module: Any) -> dict[str, Tensor]:
        split = {}
        for key, tensor in state.items():
            if whole not in key:
                split[key] = tensor
                continue
            unit = len(tensor) // sum(parts.values())
            rows = tensor.split([unit * share for share in parts.values()])
            # Files hold no two tensors that share memory.
            split |= {key.replace(whole, p): r.clone() for p, r in zip(parts, rows, strict=True)}
        return split

    return Operation(read, write)


def each(
    pattern: str,
    read: Callable[[Tensor], Tensor],
    write: Callable[[Tensor, Any], Tensor] = lambda tensor, module: tensor,
) -> Operation:
    """A change of every tensor in whose name (of ours) a regular expression is found.

    Args:
        pattern: The expression.
        read: Their tensor to ours.
        write: Ours, and the backbone that it belongs to, to theirs; the default leaves it.
    """
    found = re.compile(pattern).search
    return Operation(
        lambda state: {k: read(v) if found(k) else v for k, v in state.items()},
        lambda state, module: {k: write(v, module) if found(k) else v for k, v in state.items()},
    )


def dropped(
    pattern: str, make: Callable[[State, Any], dict[str, Tensor]] = lambda state, module: {}
) -> Operation:
    """Drop tensors that follow from others or are unused.

    Args:
        pattern: A regular expression, found in their names (as our rows give them).
        make: What is written, of our tensors and the backbone; nothing by default.
    """
    found = re.compile(pattern).search
    return Operation(
        lambda state: {key: tensor for key, tensor in state.items() if not found(key)},
        lambda state, module: {**state, **make(state, module)},
    )


def as_linear(tensor: Tensor) -> Tensor:
    """The weight `(out, in)` of a linear layer that may be a 1 x 1 convolution there."""
    return tensor.flatten(1) if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) else tensor
