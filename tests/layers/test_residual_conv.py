"""Residual convolutions on rows of channels, against PyTorch's own layers."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers.instance_norm import PART, instance_norm_
from vision.layers.residual_conv import ResidualConv, enlarge, pointwise


def draw(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def gradients(y: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(y, inputs, torch.cos(3 * y.detach())))


@pytest.mark.parametrize("slope", [None, 0.01])
@pytest.mark.parametrize("with_sum", [False, True])
def test_the_norm_in_place_is_pytorchs_also_of_maps_in_several_parts(
    slope: float | None, with_sum: bool
) -> None:
    x = (3 + 2 * draw(2, 700, 5, 6, 7)).requires_grad_()
    assert x[0].numel() > PART
    added = draw(2, 700, 7, 6, 5).transpose(2, 4).requires_grad_() if with_sum else None
    y = F.instance_norm(x)
    y = y if added is None else y + added
    y = y if slope is None else F.leaky_relu(y, slope)
    given = x.clone(memory_format=torch.channels_last_3d)
    z = instance_norm_(given, slope=slope, added=added)
    assert z.data_ptr() == given.data_ptr()
    torch.testing.assert_close(z, y, rtol=1e-9, atol=1e-9)
    inputs = [x] if added is None else [x, added]
    for ours, theirs in zip(gradients(z, inputs), gradients(y, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_the_norm_holds_for_values_far_from_zero_in_float32() -> None:
    x = 1000 + draw(1, 3, 20, 30, 40)
    y = instance_norm_(x.float())
    torch.testing.assert_close(y.double(), F.instance_norm(x), rtol=0, atol=1e-3)


@pytest.mark.parametrize("axes", [2, 3])
def test_several_maps_stand_for_one_with_the_channels_of_all(axes: int) -> None:
    block = ResidualConv(7, 4, axes=axes).double()
    size = (4, 6, 5)[:axes]
    a, b = draw(2, 3, *size).requires_grad_(), draw(2, 4, *size).requires_grad_()
    parameters: list[Any] = [a, b, *block.parameters()]
    apart, joined = block(a, b), block(torch.cat([a, b], dim=1))
    torch.testing.assert_close(apart, joined, rtol=1e-9, atol=1e-9)
    pairs = zip(gradients(apart, parameters), gradients(joined, parameters), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)
    # Compiled or exported, it runs PyTorch's own layers.
    exported = torch.export.export(block, (a.detach(), b.detach())).module()
    torch.testing.assert_close(exported(a.detach(), b.detach()), apart, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [(2, 2), (2, 2, 2), (1, 3, 2)])
def test_matrix_products_are_convolutions(scale: tuple[int, ...]) -> None:
    size = (3, 4, 2)[: len(scale)]
    x = draw(2, 5, *size)
    up: Any = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(scale)]
    layer = up(5, 4, scale, scale, bias=False).double()
    torch.testing.assert_close(enlarge(x, layer.weight), layer(x))
    conv: Any = {2: nn.Conv2d, 3: nn.Conv3d}[len(scale)]
    point = conv(5, 4, 1).double()
    torch.testing.assert_close(pointwise([x[:, :2], x[:, 2:]], point.weight, point.bias), point(x))
