"""The FPN against torchvision's with the same weights, and its extra levels written out."""

import pytest
import torch
import torchvision
from helpers.refusals import refuses
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.necks.fpn import FPN

SPECS = (FeatureSpec(5, 4), FeatureSpec(6, 8), FeatureSpec(7, 16), FeatureSpec(8, 32))
# 101 x 75 pixels, rounded up, up, down and up.
SIZES = ((26, 19), (13, 10), (6, 4), (4, 3))


def some_maps(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, spec.channels, *size, generator=generator, dtype=torch.float64).to(dtype)
        for spec, size in zip(SPECS, SIZES, strict=True)
    ]


def torchvision_outputs(fpn: FPN, maps: list[Tensor], extra: torch.nn.Module) -> list[Tensor]:
    other = torchvision.ops.FeaturePyramidNetwork([spec.channels for spec in SPECS], 16, extra)
    state = {}
    for i, (lateral, output) in enumerate(zip(fpn.laterals, fpn.outputs, strict=True)):
        for kind, conv in (("inner", lateral), ("layer", output)):
            for name, value in conv.state_dict().items():
                state[f"{kind}_blocks.{i}.0.{name}"] = value
    for i, conv in enumerate(fpn.extras):
        for name, value in conv.state_dict().items():
            state[f"extra_blocks.p{6 + i}.{name}"] = value
    other.load_state_dict(state)
    return list(other({str(i): features for i, features in enumerate(maps)}).values())


def with_biases(fpn: FPN) -> FPN:
    for parameter in fpn.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return fpn


def test_pooled_level_equals_torchvision() -> None:
    fpn = with_biases(FPN(SPECS, out_channels=16))
    expected = torchvision_outputs(fpn, some_maps(), LastLevelMaxPool())
    outputs = fpn(some_maps())
    assert len(outputs) == len(expected) == 5
    for ours, theirs in zip(outputs, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("extra", ["conv_input", "conv_output"])
def test_convolved_levels_equal_torchvision(extra: str) -> None:
    # torchvision, like detectron2 and unlike mmdet's RetinaNet, has a ReLU before P7; positive P6
    # maps make the two equal.
    fpn = with_biases(FPN(SPECS, out_channels=16, extra_levels=2, extra=extra))
    torch.nn.init.constant_(fpn.extras[0].bias, 100.0)
    in_channels = SPECS[-1].channels if extra == "conv_input" else 16
    expected = torchvision_outputs(fpn, some_maps(), LastLevelP6P7(in_channels, 16))
    outputs = fpn(some_maps())
    assert len(outputs) == len(expected) == 6
    for ours, theirs in zip(outputs, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_relu_comes_between_the_levels_of_conv_output_alone() -> None:
    for extra in ("conv_input", "conv_output"):
        fpn = FPN(SPECS, out_channels=16, extra_levels=2, extra=extra)
        *_, p6, p7 = fpn(some_maps())
        assert (p6 < 0).any()
        source = p6.relu() if extra == "conv_output" else p6
        torch.testing.assert_close(p7, F.conv2d(source, fpn.extras[1].weight, stride=2, padding=1))


def test_sizes_and_specs_agree() -> None:
    fpn = FPN(SPECS, out_channels=16, extra_levels=2)
    assert fpn.feature_specs == tuple(FeatureSpec(16, stride) for stride in (4, 8, 16, 32, 64, 128))
    sizes = [tuple(features.shape) for features in fpn(some_maps())]
    assert sizes == [(2, 16, *size) for size in (*SIZES, (2, 2), (1, 1))]


def test_there_may_be_no_extra_level() -> None:
    assert len(FPN(SPECS, extra_levels=0, out_channels=4)(some_maps())) == 4


@pytest.mark.parametrize("extra", ["pool", "conv_input", "conv_output"])
def test_every_parameter_gets_a_gradient(extra: str) -> None:
    fpn = FPN(SPECS, out_channels=4, extra_levels=2, extra=extra)
    sum(features.square().sum() for features in fpn(some_maps())).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fpn.parameters())


def test_initial_weights_are_uniform_of_glorots_width() -> None:
    fpn = FPN(SPECS, out_channels=64)
    bound = (6 / (9 * 64 + 9 * 64)) ** 0.5
    weight = fpn.outputs[0].weight
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not any(conv.bias.any() for conv in (*fpn.laterals, *fpn.outputs))


def test_the_maps_it_was_given_stay_as_they_are() -> None:
    maps = some_maps()
    before = [features.clone() for features in maps]
    FPN(SPECS, out_channels=4)(maps)
    assert all(torch.equal(a, b) for a, b in zip(maps, before, strict=True))


@pytest.mark.parametrize("strides", [(), (8, 4), (4, 4)])
def test_maps_out_of_order_are_refused(strides: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="growing stride"):
        FPN([FeatureSpec(8, stride) for stride in strides])


def test_unknown_extra_levels_are_refused() -> None:
    with refuses(ConfigError, "conv_output", "'conv'"):
        FPN(SPECS, extra="conv")
    with pytest.raises(ConfigError, match="0 or more; got -1"):
        FPN(SPECS, extra_levels=-1)
