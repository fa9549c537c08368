"""Tables of names: a model's tensors in another implementation and here.

One table serves both directions: reading its checkpoints and writing checkpoints for it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from vision.errors import WeightsError
from vision.weights.names.operations import Operation, State

Row = tuple[str, str]
Rule = Callable[[str], str | None]

# `{i}` a number, `{i+1}` and `{2*i}` the same number counted otherwise, `{name}` a word.
_PLACEHOLDER = re.compile(r"\{(?:(?P<times>\d+)\*)?(?P<name>[a-z]+)(?:\+(?P<plus>\d+))?\}")


@dataclass(frozen=True)
class Root:
    """The prefix of a model's names in a whole classifier; a bare model lacks it.

    Attributes:
        prefix: The prefix.
        beside: First parts of the names that never have it, the classifier's first.
    """

    prefix: str
    beside: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """The names of one implementation and ours.

    A name follows the first row whose side it matches, and keeps its form where none does. A side
    that is empty or ends in a dot matches the beginning of a name, any other a whole name. Where
    several rows have the same name on our side, the first one is written and all are read.

    Attributes:
        rows: Pairs of (theirs, ours) with the placeholders `{i}` (one letter: a number), `{i+1}`
            and `{2*i}` (the number counted otherwise) and `{name}` (a word without dots).
        operations: What changes besides the names, in the order of reading.
        root: The prefix of the model in a whole classifier, if there is one.
        writable: False where the rows cannot tell which of several names to write.
    """

    rows: Sequence[Row]
    operations: Sequence[Operation] = ()
    root: Root | None = None
    writable: bool = True

    def read(self, state: State) -> dict[str, Tensor]:
        """Their tensors under our names.

        Raises:
            WeightsError: Two tensors have the same name, or an operation refuses the weights.
        """
        if self.root is not None:
            state = {key.removeprefix(self.root.prefix): tensor for key, tensor in state.items()}
        ours = _renamed(state, self._to_ours)
        for operation in self.operations:
            ours = operation.read(ours)
        return ours

    def write(self, state: State, module: Any = None) -> dict[str, Tensor]:
        """Our tensors under their names, with the buffers that they keep besides.

        Args:
            state: Tensor by our name.
            module: The backbone that the tensors belong to; operations read its sizes.

        Raises:
            WeightsError: Two tensors would have the same name.
        """
        for operation in reversed(self.operations):
            state = operation.write(state, module)
        theirs = self.names_of(state)
        root = self.root
        if root is None or not any(key.startswith(root.beside[0]) for key in theirs):
            return theirs
        return {k if k.startswith(root.beside) else root.prefix + k: v for k, v in theirs.items()}

    def names_of(self, state: State) -> dict[str, Tensor]:
        """Our tensors under their names, as they are."""
        return _renamed(state, self._to_theirs)

    @cached_property
    def _to_ours(self) -> list[Rule]:
        return [_rule(theirs, ours) for theirs, ours in self.rows]

    @cached_property
    def _to_theirs(self) -> list[Rule]:
        return [_rule(ours, theirs) for theirs, ours in self.rows]


def within(theirs: str, ours: str, *rows: Row) -> list[Row]:
    """Rows of the parts of a module, with the names of the module before them."""
    return [(theirs + their_part, ours + our_part) for their_part, our_part in rows]


def _renamed(state: State, rules: Sequence[Rule]) -> dict[str, Tensor]:
    """The same tensors, each under the name that the first fitting rule gives.

    Raises:
        WeightsError: Two tensors get the same name.
    """
    result: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = next((name for rule in rules if (name := rule(key)) is not None), key)
        if name in result:
            raise WeightsError(f"the weights hold '{name}' twice, the second time as '{key}'.")
        result[name] = tensor
    return result


def _rule(source: str, target: str) -> Rule:
    """The target form of a name of the source form; None for any other name."""
    counted: dict[str, tuple[int, int]] = {}

    def group(hole: re.Match[str]) -> str:
        counted[hole["name"]] = int(hole["times"] or 1), int(hole["plus"] or 0)
        # Names come from files: no number of a layer has more digits.
        kind = "[0-9]{1,6}" if len(hole["name"]) == 1 else r"\w+"
        return f"(?P<{hole['name']}>{kind})"

    pattern = _PLACEHOLDER.sub(group, source.replace(".", r"\."))
    begins = not source or source.endswith(".")
    match = re.compile(pattern if begins else pattern + "$").match

    def rule(key: str) -> str | None:
        found = match(key)
        if found is None:
            return None
        values: dict[str, str | int] = {}
        for name, text in found.groupdict().items():
            times, plus = counted[name]
            number, rest = divmod(int(text) - plus, times) if len(name) == 1 else (0, 0)
            if rest or number < 0:
                return None
            values[name] = number if len(name) == 1 else text

        def fill(hole: re.Match[str]) -> str:
            value = values[hole["name"]]
            if isinstance(value, str):
                return value
            return str(value * int(hole["times"] or 1) + int(hole["plus"] or 0))

        return _PLACEHOLDER.sub(fill, target) + key[found.end() :]

    return rule
