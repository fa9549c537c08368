"""Mean and standard deviation of every initial parameter, against the rules of the published code.

| family | linear layers | convolutions | other tables |
|---|---|---|---|
| Swin, CSWin, CvT, TNT, RMT | normal of 0.02, bias 0 | PyTorch's default | normal of 0.02 |
| HorNet, ConvNeXt | normal of 0.02, bias 0 | normal of 0.02, bias 0 | normal of 0.02 |

PyTorch's default for a convolution is uniform in +-1 / sqrt(fan_in), weights and bias alike. Norms
begin at 1 and 0. The layers of "other tables": relative and absolute positions, class tokens, the
spectral filters of HorNet. Layer scales begin at the constant that the paper names.
"""

import math
import re
from typing import Any

import pytest
import torch
from helpers.tiny_models import TINY
from torch import Tensor, nn

from vision import create_backbone

CONVOLUTIONS_AS_LINEAR = ("hornet", "convnext")
# Options under which a family has each kind of parameter that it can have.
WITH_EVERYTHING: dict[str, dict[str, Any]] = {
    "swin": {"ape": True},
    "tnt": {"se": 1},
    "rmt": {"layer_scales": (False, False, True, True)},
}
TABLES = re.compile(r"(relative_position_bias_table|absolute_pos_embed|class_token|_pos|grid)$")
LAYER_SCALE = re.compile(r"(^|\.)gamma\d?$")


def expected(model: nn.Module, name: str, parameter: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the distribution from which a parameter is drawn."""
    if LAYER_SCALE.search(name):
        return 1e-6, 0.0
    if TABLES.search(name):
        return 0.0, 0.02
    module, _, kind = name.rpartition(".")
    layer = model.get_submodule(module)
    if isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d) and model.family in CONVOLUTIONS_AS_LINEAR
    ):
        return 0.0, 0.02 if kind == "weight" else 0.0
    if isinstance(layer, nn.Conv2d):
        fan_in = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        return 0.0, fan_in**-0.5 / 3**0.5
    assert "Norm" in type(layer).__name__, name
    return (1.0 if kind == "weight" else 0.0), 0.0


@pytest.mark.parametrize("dense", [False, True], ids=["classifier", "dense"])
@pytest.mark.parametrize("family", TINY)
def test_initial_values_are_those_of_the_published_code(family: str, dense: bool) -> None:
    name, options = TINY[family]
    torch.manual_seed(0)
    model = create_backbone(name, **options, **WITH_EVERYTHING.get(name, {}), dense=dense)
    wrong = []
    for key, parameter in model.named_parameters():
        mean, std = expected(model, key, parameter)
        # Four standard errors of a mean and of a standard deviation; they are smaller for a
        # uniform distribution than for a normal one. Constants are exact.
        slack = 4 * std / parameter.numel() ** 0.5
        found = parameter.mean().item(), parameter.std(correction=0).item()
        right = (
            found[0] == pytest.approx(mean, rel=1e-6, abs=slack)
            and found[1] == pytest.approx(std, rel=1e-6, abs=slack / 2**0.5 + 1e-12)
            and (found[1] > 1e-12) == (std > 0)
        )
        if not right:
            wrong.append((key, found, (mean, std)))
    assert wrong == []


def test_the_position_encoding_of_cswin_is_as_wide_as_published() -> None:
    """A 3 x 3 kernel per channel: uniform in +-1/3, whose standard deviation is 0.192."""
    torch.manual_seed(0)
    weight = create_backbone("cswin", dim=64, depths=(1, 1, 1, 1)).stages[3][0].attn.lepe.weight
    assert weight.abs().max() <= 1 / 3
    assert weight.std().item() == pytest.approx(0.1925, rel=0.02)
