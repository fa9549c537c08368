"""Convolution, batch norm, ReLU, and what becomes of a single value per channel."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vision.layers.conv_norm import ConvNormAct, ResizedConvNormAct, norm_relu


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_equals_the_layers_one_by_one(kernel_size: int) -> None:
    block = ConvNormAct(4, 6, kernel_size=kernel_size)
    plain = nn.Sequential(
        nn.Conv2d(4, 6, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
    )
    names = {"conv.weight": "0.weight"}
    names |= {f"norm.{name}": f"1.{name}" for name in plain[1].state_dict()}
    plain.load_state_dict({names[key]: value for key, value in block.state_dict().items()})
    x = torch.randn(2, 4, 5, 7)
    assert torch.equal(block(x), plain(x))
    assert torch.equal(block.norm.running_var, plain[1].running_var)
    assert torch.equal(block.eval()(x), plain.eval()(x))


def test_over_resized_maps() -> None:
    block = ResizedConvNormAct([4, 3], 6).eval()
    block.norm.running_mean.normal_()
    fine, coarse = torch.randn(2, 4, 9, 7), torch.randn(2, 3, 5, 4)
    resized = F.interpolate(coarse, size=(9, 7), mode="bilinear")
    convolved = F.conv2d(torch.cat([fine, resized], dim=1), block.conv.weight, padding=1)
    torch.testing.assert_close(block([fine, coarse]), F.relu(block.norm(convolved)))
    assert block([fine, coarse], (3, 2)).shape == (2, 6, 3, 2)


def test_a_single_value_is_normalised_by_the_running_statistics() -> None:
    block = ConvNormAct(4, 6, kernel_size=1)
    block.norm.running_mean.normal_()
    block.norm.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 4, 1, 1)
    expected, state = block.eval()(x), {k: v.clone() for k, v in block.state_dict().items()}
    actual = block.train()(x)
    torch.testing.assert_close(actual, expected)
    assert all(torch.equal(value, state[key]) for key, value in block.state_dict().items())
    actual.sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())
    assert block(x.expand(2, -1, -1, -1)).shape == (2, 6, 1, 1)
    assert block.norm.num_batches_tracked == 1


def test_other_norms_are_called() -> None:
    x = torch.randn(1, 4, 1, 1)
    assert torch.equal(norm_relu(nn.Identity(), x), x.relu())
    norm = nn.SyncBatchNorm(4)
    assert norm_relu(norm.eval(), x).shape == x.shape


@pytest.mark.parametrize("block", [ConvNormAct(64, 32), ResizedConvNormAct([32, 32], 32)])
def test_initialisation(block: ConvNormAct | ResizedConvNormAct) -> None:
    """The rule of mmcv's blocks: a variance of 2 / (outputs * cells of the kernel)."""
    nn.init.ones_(block.conv.weight)
    nn.init.zeros_(block.norm.weight)
    block.reset_parameters()
    assert block.conv.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.05)
    assert abs(block.conv.weight.mean().item()) < 0.002
    assert bool((block.norm.weight == 1).all())
