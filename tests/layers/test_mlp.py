"""The feed-forward network of transformer blocks."""

import torch
from torch import nn
from torch.nn import functional as F

from vision.layers.mlp import Mlp


def test_it_is_two_layers_on_the_last_axis() -> None:
    mlp = Mlp(3, hidden_dim=7, act_layer=nn.ReLU)
    x = torch.randn(2, 4, 5, 3)
    hidden = (x @ mlp.fc1.weight.T + mlp.fc1.bias).clamp(min=0)
    torch.testing.assert_close(mlp(x), hidden @ mlp.fc2.weight.T + mlp.fc2.bias)


def test_the_activation_is_the_exact_gelu() -> None:
    mlp = Mlp(1, hidden_dim=1)
    with torch.no_grad():
        for layer in (mlp.fc1, mlp.fc2):
            layer.weight.fill_(1.0)
            layer.bias.zero_()
    # x * (1 + erf(x / sqrt 2)) / 2 at 1.
    torch.testing.assert_close(mlp(torch.ones(1, 1)), torch.tensor([[0.8413447]]))


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    mlp = Mlp(4, hidden_dim=64, dropout=0.5)
    x = torch.randn(100, 4)
    dropped = (mlp(x) == 0).float().mean()
    assert 0.35 < dropped < 0.65
    mlp.eval()
    torch.testing.assert_close(mlp(x), mlp.fc2(F.gelu(mlp.fc1(x))))
