"""Rename the keys of a state dict by rules."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from vision.errors import WeightsError

Rules = Iterable[tuple[str, str]]


def rename(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Apply every rule to every key, in order.

    Args:
        state: Tensor by key.
        rules: Pairs of a regular expression and its replacement, as `re.sub` takes them.

    Returns:
        The same tensors under the new keys; keys that no rule matches keep their names.

    Raises:
        WeightsError: Two keys would get the same name.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = key
        for pattern, replacement in compiled:
            name = pattern.sub(replacement, name)
        if name in renamed:
            raise WeightsError(f"the weights hold '{name}' twice, the second time as '{key}'.")
        renamed[name] = tensor
    return renamed


def drop(state: Mapping[str, Tensor], pattern: str) -> dict[str, Tensor]:
    """Leave out the keys in which a regular expression is found, such as derivable buffers."""
    unwanted = re.compile(pattern)
    return {key: tensor for key, tensor in state.items() if not unwanted.search(key)}
