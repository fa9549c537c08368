"""Prefixes that training code puts before the key of every tensor of a model."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from torch import Tensor

from vision.errors import WeightsError

# Names of the attribute that holds the model in a wrapper, such as a LightningModule.
PREFIXES = ("model.", "net.", "backbone.", "encoder.", "module.")
MAX_PREFIXES = 3
# Criteria, metrics and averages of a wrapper stand beside its model.
MIN_SHARE = 0.5
# The two networks of self-distillation (DINO, BYOL, mean teacher).
Branch = Literal["student", "teacher"]
BRANCHES: tuple[str, ...] = get_args(Branch)


def without_prefixes(state: Mapping[str, Tensor]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The tensors as they are, then with ever more of their common prefixes taken off.

    Args:
        state: Tensor by key.

    Yields:
        What was taken off, and the tensors; keys that did not begin with it stay as they are.
    """
    queue = deque([("", dict(state), 0)])
    while queue:
        taken, tensors, depth = queue.popleft()
        yield taken, tensors
        for prefix in PREFIXES if depth < MAX_PREFIXES else ():
            inner = [key for key in tensors if key.startswith(prefix)]
            if len(inner) >= max(1, MIN_SHARE * len(tensors)):
                shorter = {key.removeprefix(prefix): value for key, value in tensors.items()}
                if len(shorter) == len(tensors):
                    queue.append((taken + prefix, shorter, depth + 1))


def choose_branch(state: Mapping[str, Tensor], branch: Branch | None) -> dict[str, Tensor]:
    """The tensors of one of two networks that were trained together.

    Args:
        state: Tensor by key; keys of the networks begin with `student.` and `teacher.`, perhaps
            after one of the usual prefixes.
        branch: Which of the two; None where there are none.

    Returns:
        The tensors of the network, without its prefix; all tensors if there are no two networks.

    Raises:
        WeightsError: There are networks and none is chosen.
    """
    found = {name: _of_branch(state, name) for name in BRANCHES}
    if branch is None:
        if all(found.values()):
            raise WeightsError(
                "the weights belong to two networks, a student and a teacher. Choose one: "
                'load_weights(model, source, branch="teacher").'
            )
        return dict(state)
    return found[branch] or dict(state)


def _of_branch(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    for before in ("", *PREFIXES):
        start = f"{before}{name}."
        inner = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
        if inner:
            return inner
    return {}
