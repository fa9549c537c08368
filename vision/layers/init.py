"""Weight initialisation shared by the backbones."""

from torch import nn


def init_linear(module: nn.Module, *, std: float = 0.02) -> None:
    """Fill the weights of a linear layer from a truncated normal and zero its biases.

    Convolutions keep PyTorch's initial values, as in the code of the transformers' authors: weights
    and biases uniform within `fan_in ** -0.5`.

    Args:
        module: Its own parameters are filled (use with `nn.Module.apply`).
        std: Standard deviation before truncation at two absolute units.
    """
    if isinstance(module, nn.Linear):
        _fill(module, std)


def init_linear_and_conv(module: nn.Module, *, std: float = 0.02) -> None:
    """The same for linear layers and convolutions, as in the code of ConvNeXt's authors."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        _fill(module, std)


def _fill(layer: nn.Linear | nn.Conv2d, std: float) -> None:
    nn.init.trunc_normal_(layer.weight, std=std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
