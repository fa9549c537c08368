"""Bytes that a forward pass keeps for the backward pass, counted without computing anything."""

import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vision.annotations.coco_tables import collector_paused
from vision.backbones.encoder import MemoryMode
from vision.backbones.registry import create_backbone


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
        # Only what is made here is looked through for garbage: all of a process takes seconds.
        with collector_paused():
            gc.collect(0)
            with _Made() as made:
                result = run(model, images)
            gc.collect(0)
        before = {_key(one) for one in (*model.parameters(), *model.buffers(), images)}
        kept = [
            size
            for key, (storage, size) in made.storages.items()
            if key not in before and not storage.expired()
        ]
        del result
    return sum(kept)


def in_mode(name: str, mode: MemoryMode, **options: Any) -> Callable[[], nn.Module]:
    """Builds a backbone whose training keeps what a mode of memory says.

    Args:
        name: Its name, as for `create_backbone`.
        mode: As for `Backbone.set_memory`.
        **options: Keywords of the backbone.
    """

    def build() -> nn.Module:
        backbone = create_backbone(name, **options)
        backbone.set_memory(mode)
        return backbone

    return build


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
