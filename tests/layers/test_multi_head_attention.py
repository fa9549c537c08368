"""Attention of several heads against PyTorch's."""

import pytest
import torch
from helpers.refusals import refuses
from torch import nn

from vision.errors import ConfigError
from vision.layers.multi_head_attention import MultiHeadAttention


@torch.no_grad()
def test_it_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(8, num_heads=2), nn.MultiheadAttention(8, 2, batch_first=True)
    nn.init.normal_(ours.qkv.bias)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.qkv.weight,
            "in_proj_bias": ours.qkv.bias,
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    query, key, value = torch.randn(3, 5, 8), torch.randn(3, 7, 8), torch.randn(3, 7, 8)
    expected, _ = theirs(query, key, value)
    torch.testing.assert_close(ours(query, key, value), expected)
    blocked = torch.rand(5, 7) < 0.3
    expected, _ = theirs(query, key, value, attn_mask=blocked)
    bias = torch.zeros(5, 7).masked_fill(blocked, -torch.inf)
    torch.testing.assert_close(ours(query, key, value, bias), expected)


@torch.no_grad()
def test_weights_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    layer, x = MultiHeadAttention(8, num_heads=2, dropout=0.5), torch.randn(2, 5, 8)
    assert not torch.equal(layer(x, x, x), layer(x, x, x))
    layer.eval()
    assert torch.equal(layer(x, x, x), layer(x, x, x))


def test_initial_values() -> None:
    """As PyTorch's: the three matrices are initialised as one."""
    torch.manual_seed(0)
    layer = MultiHeadAttention(64, num_heads=2)
    bound = (6 / (64 + 3 * 64)) ** 0.5
    assert layer.qkv.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert not layer.qkv.bias.any()
    assert not layer.output.bias.any()


def test_heads_that_do_not_divide_the_width() -> None:
    with refuses(ConfigError, "dim=8", "num_heads=3"):
        MultiHeadAttention(8, num_heads=3)
