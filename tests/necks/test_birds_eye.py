"""The neck over a map seen from above; the authors' numbers are in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.necks.birds_eye import BirdsEye, ResidualConvNorm

SPECS = (FeatureSpec(6, 1),)


def build(**options: Any) -> BirdsEye:
    torch.manual_seed(0)
    small = {"channels": (6, 8), "depths": (1, 0), "out_channels": (5, 7)}
    return BirdsEye(SPECS, **{**small, **options})


@pytest.mark.parametrize(
    ("options", "stride", "channels"),
    [
        ({}, 1, 12),
        ({"strides": (2, 2)}, 2, 12),
        (
            {
                "channels": (4, 4, 4),
                "depths": (0, 1, 2),
                "strides": (1, 2, 2),
                "out_channels": (3, 3, 3),
            },
            1,
            9,
        ),
    ],
)
@pytest.mark.parametrize("size", [(12, 16), (13, 7)])
def test_maps_of_any_size_and_a_gradient_for_each_parameter(
    options: dict[str, Any], stride: int, channels: int, size: tuple[int, int]
) -> None:
    neck = build(**options)
    assert neck.feature_specs == (FeatureSpec(channels, stride),)
    (found,) = neck(torch.randn(2, 6, *size))
    assert found.shape == (2, channels, *(-(-side // stride) for side in size))
    found.square().sum().backward()
    assert all(parameter.grad is not None for parameter in neck.parameters())


@torch.no_grad()
def test_the_input_is_added_where_the_shapes_agree() -> None:
    x = torch.randn(1, 6, 5, 5)
    for out, stride in ((6, 1), (7, 1), (6, 2)):
        layer = ResidualConvNorm(6, out, stride=stride).eval()
        layer.norm.weight.zero_()
        expected = x if (out, stride) == (6, 1) else 0 * layer.conv(x)
        assert torch.equal(layer(x), expected)


def test_the_published_neck_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        neck = BirdsEye((FeatureSpec(128, 1),))
    counts = [
        sum(parameter.numel() for parameter in part.parameters())
        for part in (neck.blocks, neck.ups)
    ]
    assert counts == [701_952, 74_240]
    assert neck.feature_specs == (FeatureSpec(256, 1),)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depths": (1,)}, ["depths 1", "channels 2"]),
        ({"strides": (0, 1)}, ["strides"]),
        ({"channels": (0, 1)}, ["channels"]),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: list[str]) -> None:
    with refuses(ConfigError, *said):
        build(**options)
