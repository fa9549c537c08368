"""Weight initialisation shared by the backbones."""

import pytest
import torch
from torch import nn

from vision.layers.init import init_linear, init_linear_and_conv


@pytest.mark.parametrize("layer", [nn.Linear(200, 100), nn.Conv2d(50, 40, kernel_size=3)])
def test_weights_have_the_standard_deviation_and_biases_are_zero(layer: nn.Module) -> None:
    torch.manual_seed(0)
    nn.init.ones_(layer.bias)
    init_linear_and_conv(layer, std=0.05)
    assert layer.weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert abs(layer.weight.mean().item()) < 0.005
    assert not layer.bias.any()


def test_the_cut_lies_at_two_absolute_units() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(100, 100)
    init_linear_and_conv(layer, std=3.0)
    assert 1.9 < layer.weight.abs().max() <= 2.0


def test_convolutions_keep_pytorchs_initial_values_where_they_do_in_published_code() -> None:
    layer = nn.Conv2d(4, 4, kernel_size=3)
    before = [parameter.clone() for parameter in layer.parameters()]
    init_linear(layer)
    assert all(map(torch.equal, before, layer.parameters()))
    linear = nn.Linear(200, 100)
    init_linear(linear)
    assert linear.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not linear.bias.any()


def test_layers_without_bias_and_other_layers_are_let_be() -> None:
    init_linear_and_conv(nn.Linear(3, 3, bias=False))
    norm = nn.LayerNorm(4)
    init_linear_and_conv(norm)
    assert torch.equal(norm.weight, torch.ones(4))
