"""A convolution and group norm, against PyTorch's functions."""

import pytest
import torch
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
