"""Depthwise convolutions of every backbone get maps in the memory order that they compute in."""

from typing import Any

import pytest
import torch
from helpers.tiny_models import TINY, build, images_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vision.tasks.image import use_channels_last

aten = torch.ops.aten
# Sides of the kernels whose maps are copied: CSWin's values are a part of each row of queries, keys
# and values; of HorNet-GF's maps half of the channels are convolved, and alternate with the others.
COPIED = {"cswin": {3}, "hornet_gf": {3}}


class Depthwise(TorchDispatchMode):
    """Notes the depthwise convolutions whose inputs or gradients have to be copied first."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()
        self.copied: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at a convolution."""
        if func is aten.convolution.default:
            self.note(args[:1], kernel=args[1], groups=args[8])
        elif func is aten.convolution_backward.default:
            self.note(args[:2], kernel=args[2], groups=args[9])
        return func(*args, **(kwargs or {}))

    def note(self, maps: tuple[Tensor, ...], *, kernel: Tensor, groups: int) -> None:
        """Note the side of a depthwise convolution's kernel."""
        if groups > 1:
            self.seen.add(kernel.shape[-1])
            if not all(is_channels_last(x) for x in maps):
                self.copied.add(kernel.shape[-1])


def is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("family", sorted(set(TINY) - {"swin", "tnt"}))
def test_depthwise_convolutions_copy_nothing(family: str) -> None:
    backbone = build(family).train()
    use_channels_last(backbone)
    images = images_of(65, 97, batch=2).contiguous(memory_format=torch.channels_last)
    with Depthwise() as found:
        maps = backbone(images)
        torch.autograd.backward(maps, [torch.ones_like(x) for x in maps])
    assert found.seen
    assert found.copied == COPIED.get(family, set())
