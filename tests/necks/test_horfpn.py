"""HorFPN: counts worked by hand, and its output maps against the definition in plain operations."""

import math

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.layers.gated_conv import GatedConv2d
from vision.necks.build import build_neck
from vision.necks.fpn import GRID

SPECS = tuple(FeatureSpec(96 << i, 4 << i) for i in range(4))


def count(output: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build_neck(SPECS, output=output).parameters())


def test_parameters_are_those_counted_by_hand() -> None:
    # A 3 x 3 convolution of 256 channels; a gated one of order 2 has 128 + 384 channels before and
    # 384 in the depth-wise convolution, then 128 to 256 and 256 to 256.
    plain = 256 * 256 * 9 + 256
    before, after = 256 * 512 + 512, (128 * 256 + 256) + (256 * 256 + 256)
    gated = before + (384 * 7 * 7 + 384) + after
    filtered = before + (2 * 2 * 384 + 192 * 9 + 192 * 32 * 17 * 2) + after
    assert (plain, gated, filtered) == (590_080, 249_600, 442_560)
    laterals = sum((channels + 1) * 256 for channels in (96, 192, 384, 768))
    assert count("conv") == laterals + 4 * plain
    assert count("gnconv") == laterals + 4 * gated
    assert count("gnconv_gf") == laterals + 4 * filtered


def gated(conv: GatedConv2d, x: Tensor) -> Tensor:
    """The published module: one projection, gates of the first channels, mixtures of the others."""
    half = x.shape[1] // 2
    weight = torch.cat([conv.gate.weight, conv.proj_in.weight])[..., None, None]
    both = F.conv2d(x, weight, torch.cat([conv.gate.bias, conv.proj_in.bias]))
    gate, rest = both[:, :half], both[:, half:]
    first, second = conv.mix(rest).split((half, 2 * half), dim=1)
    step = conv.steps[0]
    y = F.conv2d(gate * first, step.weight[..., None, None], step.bias) * second
    return F.conv2d(y, conv.proj_out.weight[..., None, None], conv.proj_out.bias)


@pytest.mark.parametrize("output", ["gnconv", "gnconv_gf"])
def test_maps_are_those_of_the_published_neck(output: str) -> None:
    torch.manual_seed(0)
    specs = [FeatureSpec(6, 8), FeatureSpec(5, 16)]
    fpn = build_neck(specs, strides=(8, 16), out_channels=8, output=output).fpn.double()
    fine, coarse = torch.randn(2, 6, 9, 7).double(), torch.randn(2, 5, 5, 4).double()
    top = fpn.laterals[1](coarse)
    merged = fpn.laterals[0](fine) + F.interpolate(top, size=(9, 7), mode="nearest")
    found = fpn([fine, coarse])
    torch.testing.assert_close(found[0], gated(fpn.outputs[0], merged))
    torch.testing.assert_close(found[1], gated(fpn.outputs[1], top))
    torch.testing.assert_close(found[2], found[1][..., ::2, ::2])
    sum(one.square().sum() for one in found).backward()
    assert [name for name, p in fpn.named_parameters() if p.grad is None] == []


def test_values_begin_as_published() -> None:
    torch.manual_seed(0)
    neck = build_neck(SPECS, output="gnconv_gf")
    conv = neck.fpn.outputs[0]
    # Uniform after Glorot and Bengio over the one projection of 256 to 512 channels.
    bound = math.sqrt(6 / (256 + 512))
    for layer in (conv.gate, conv.proj_in):
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=1e-2)
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert not layer.bias.any()
    assert tuple(conv.mix.grid.shape) == (192, *GRID, 2)
    assert conv.mix.grid.std().item() == pytest.approx(0.02, rel=0.02)


def test_what_does_not_fit_is_refused() -> None:
    with refuses(ConfigError, "output is one of conv, gnconv, gnconv_gf", "'gn'"):
        build_neck(SPECS, output="gn")
    with refuses(ConfigError, "output='gnconv_gf'", "out_channels", "multiple of 4", "6"):
        build_neck(SPECS, out_channels=6, output="gnconv_gf")
