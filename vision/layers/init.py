"""Weight initialisation shared by the backbones."""

from torch import nn


def init_linear_and_conv(module: nn.Module, *, std: float = 0.02) -> None:
    """Fill linear and convolution weights from a truncated normal and zero their biases.

    Args:
        module: Its own parameters are filled (use with `nn.Module.apply`).
        std: Standard deviation before truncation at two absolute units.
    """
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
