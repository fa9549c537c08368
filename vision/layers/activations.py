"""Activations by name."""

from collections.abc import Callable
from typing import Literal

from torch import nn

Activation = Literal["relu", "gelu", "selu"]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "selu": nn.SELU,
}
