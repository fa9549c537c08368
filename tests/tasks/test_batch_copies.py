"""Batches of every kind: each tensor is pinned by a loader, and moved without waiting for it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from helpers import (
    tiny_dense,
    tiny_detection,
    tiny_detection3d,
    tiny_lidar,
    tiny_panoptic,
    tiny_point_task,
    tiny_segmentation,
    tiny_task,
    tiny_volume_task,
)
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data._utils.pin_memory import pin_memory

BATCHES: dict[str, Callable[[], Any]] = {
    "classification": lambda: {"image": tiny_task.random_images(2), "path": ["a", "b"]},
    "detection": tiny_detection.random_batch,
    "segmentation": tiny_segmentation.random_batch,
    "panoptic": tiny_panoptic.random_batch,
    "depth": lambda: tiny_dense.random_batch("depth"),
    "detection3d": tiny_detection3d.random_batch,
    "lidar": tiny_lidar.lidar_batch,
    "volumes": tiny_volume_task.random_batch,
    "points": tiny_point_task.training_batch,
}


def tensors_of(value: Any) -> Iterator[Tensor]:
    """All tensors, however deep: in the attributes of objects too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors_of(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_of(one)
    elif hasattr(value, "__dict__"):
        yield from tensors_of(vars(value))


class Copies(TorchDispatchMode):
    """Notes whether copies to another device wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[bool] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note a copy."""
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and kwargs.get("device") is not None:
            self.waits.append(not kwargs.get("non_blocking", False))
        return func(*args, **kwargs)


@pytest.mark.parametrize("kind", BATCHES)
def test_every_tensor_is_pinned_and_moved_without_waiting(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = BATCHES[kind]()
    count = len(list(tensors_of(batch)))
    assert count > 0
    pinned: list[int] = []

    def pin(x: Tensor) -> Tensor:
        pinned.append(id(made := x.clone()))
        return made

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    batch = pin_memory(batch)
    found = list(tensors_of(batch))
    assert {id(x) for x in found} == {*pinned}
    assert len(found) == count
    # A device that holds nothing.
    with Copies() as copies:
        there = LightningModule().transfer_batch_to_device(batch, torch.device("meta"), 0)
    moved = list(tensors_of(there))
    assert len(moved) == count
    assert all(x.is_meta for x in moved)
    assert copies.waits == [False] * count
