"""A convolution and group norm, against PyTorch's functions."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vision.layers.conv_group_norm import ConvGroupNorm


@torch.no_grad()
@pytest.mark.parametrize(("kernel_size", "stride", "act"), [(1, 1, False), (3, 2, True)])
def test_convolution_norm_and_relu(kernel_size: int, stride: int, act: bool) -> None:
    torch.manual_seed(0)
    layer = ConvGroupNorm(3, 4, num_groups=2, kernel_size=kernel_size, stride=stride, act=act)
    torch.nn.init.normal_(layer.norm.weight)
    x = torch.randn(2, 3, 7, 8)
    expected = F.conv2d(x, layer.conv.weight, layer.conv.bias, stride, kernel_size // 2)
    expected = F.group_norm(expected, 2, layer.norm.weight, layer.norm.bias)
    torch.testing.assert_close(layer(x), expected.relu() if act else expected)


@torch.no_grad()
def test_a_norm_that_leaves_padding_out() -> None:
    """As that of the valid part alone, which is not what the whole map gives."""
    torch.manual_seed(0)
    layer = ConvGroupNorm(3, 8, num_groups=2, kernel_size=1)
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    x = torch.randn(2, 3, 4, 6)
    padding = torch.ones(2, 4, 6, dtype=torch.bool)
    padding[0, :3, :5] = padding[1, :4, :2] = False
    found = layer(x, padding)
    torch.testing.assert_close(found[:1, :, :3, :5], layer(x[:1, :, :3, :5]))
    torch.testing.assert_close(found[1:, :, :4, :2], layer(x[1:, :, :4, :2]))
    assert not torch.allclose(found[:1, :, :3, :5], layer(x)[:1, :, :3, :5], atol=1e-2)
