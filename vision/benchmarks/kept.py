"""Bytes that a forward pass keeps for the backward pass, counted without computing anything."""

import gc
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Result = TypeVar("Result")


class _Made(TorchDispatchMode):
    """Watches the storages that operators make.

    Attributes:
        storages: A weak reference to each, and its bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for made in tree_leaves(result):
            if isinstance(made, Tensor):
                storage = made.untyped_storage()
                known = self.storages.get(_key(made))
                if known is None or known[0].expired():
                    self.storages[_key(made)] = (StorageWeakRef(storage), storage.nbytes())
        return result


def kept_bytes(
    build: Callable[[], nn.Module],
    shape: Sequence[int],
    run: Callable[[nn.Module, Tensor], Any] = lambda model, images: model(images),
) -> int:
    """Bytes of activations that are alive between a forward pass and its backward pass.

    Everything is counted that the forward pass makes and that its result keeps alive, each storage
    once, whichever way it is kept: by operators, by functions of our own, or by hooks. Parameters,
    buffers and the images are not counted, as they are there before. Tensors are fake: there is no
    computation, and a model of any size costs no memory.

    Args:
        build: Builds the model; its parameters need no values.
        shape: Shape of the images, `(B, C, H, W)`.
        run: The forward pass in training mode; returns what the backward pass begins with.
    """
    with torch.device("meta"):
        model = build().train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to_empty(device="cpu")
        images = torch.empty(*shape)
        before = (*model.parameters(), *model.buffers(), images)
        count, _ = kept_by(lambda: run(model, images), before)
    return count


def kept_by(run: Callable[[], Result], before: Iterable[Tensor]) -> tuple[int, Result]:
    """The same of a forward pass on tensors that are fake already.

    Args:
        run: The forward pass; returns what the backward pass begins with.
        before: Tensors that were there before it, and are not counted.

    Returns:
        The bytes, and what the forward pass has returned.
    """
    with _Made() as made:
        result = run()
    gc.collect()
    there = {_key(one) for one in before}
    kept = [
        size
        for key, (storage, size) in made.storages.items()
        if key not in there and not storage.expired()
    ]
    return sum(kept), result


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
