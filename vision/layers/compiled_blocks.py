"""Compilation of one block of each kind, in place of a whole network."""

from collections.abc import Callable, Hashable
from types import FunctionType
from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
from torch import nn

Program = Callable[..., Any]


class CompiledBlocks:
    """Calls blocks through `torch.compile`; blocks of one kind share their programs.

    A network of 24 blocks in four stages has four or eight kinds, so that this compiles a part of
    what `torch.compile` of the whole network does. A kind has a program for the first size it sees,
    and one or two more for all other sizes; each of them for training and for evaluation.

    Copies and pickles are without programs, and compile their own.
    """

    def __init__(self) -> None:
        self._of_block: WeakKeyDictionary[nn.Module, Program] = WeakKeyDictionary()
        self._of_kind: dict[Hashable, Program] = {}

    def __call__(self, block: nn.Module, *inputs: Any) -> Any:
        """What `block(*inputs)` gives."""
        if torch.compiler.is_compiling():
            return block(*inputs)
        program = self._of_block.get(block)
        if program is None:
            kind = kind_of(block)
            if kind not in self._of_kind:
                self._of_kind[kind] = _new_program()
            program = self._of_block[block] = self._of_kind[kind]
        return program(block, *inputs)

    def __len__(self) -> int:
        return len(self._of_kind)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


def kind_of(block: nn.Module) -> Hashable:
    """What blocks must have in common to share programs: parts, shapes, and discrete settings.

    Rates, such as those of stochastic depth, may differ, except that 0 is a kind of its own.
    """
    found: list[Hashable] = []
    for name, part in block.named_modules():
        found.append((name, type(part)))
        for key, value in vars(part).items():
            if key == "training":
                continue
            if isinstance(value, bool | int | str):
                found.append((key, value))
            elif isinstance(value, float):
                found.append((key, value == 0))
    tensors = [*block.named_parameters(), *block.named_buffers()]
    found += [(name, tuple(tensor.shape)) for name, tensor in tensors]
    return tuple(found)


def _call(block: nn.Module, *inputs: Any) -> Any:
    return block(*inputs)


def _new_program() -> Program:
    # The compiler keeps its programs with the code of a function, at most eight of them: each kind
    # needs code of its own.
    own = FunctionType(_call.__code__.replace(), _call.__globals__)
    program: Program = torch.compile(own)
    return program
