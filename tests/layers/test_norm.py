"""The layer norm of maps, against PyTorch's own along the last axis."""

import torch
from torch import nn

from vision.layers.norm import LayerNorm2d


def test_it_is_the_layer_norm_of_each_position() -> None:
    norm, reference = LayerNorm2d(5, eps=1e-3), nn.LayerNorm(5, eps=1e-3)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    reference.load_state_dict(norm.state_dict())
    x = torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(norm(x), reference(x.movedim(1, -1)).movedim(-1, 1))


def test_the_variance_is_biased() -> None:
    x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    expected = torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(LayerNorm2d(2, eps=0.0)(x), expected)


def test_channels_last_memory_is_kept() -> None:
    x = torch.randn(2, 8, 5, 4).contiguous(memory_format=torch.channels_last)
    assert LayerNorm2d(8)(x).is_contiguous(memory_format=torch.channels_last)
