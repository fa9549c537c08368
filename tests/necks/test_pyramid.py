"""Pyramids of all backbones: sizes, specs, parameters only for what is missing."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from torch import Tensor
from torch.nn import functional as F

import vision
from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.necks.pyramid import Pyramid, Resample, complete_pyramid

WANTED = (4, 8, 16, 32)
TIMM = {
    "timm_resnet": ("timm/resnet18", {"dense": True}),
    "timm_vit": ("timm/vit_tiny_patch16_224", {"dense": True, "img_size": 64}),
    "timm_vit_14": ("timm/vit_small_patch14_dinov2", {"dense": True, "img_size": 56}),
}
# Levels that each backbone lacks.
MISSING = {"tnt": {4, 8, 32}, "cvt": {32}, "timm_vit": {4, 8, 32}, "timm_vit_14": {4, 8, 32}}


def specs_of(*pairs: tuple[int, int]) -> list[FeatureSpec]:
    return [FeatureSpec(channels, stride) for channels, stride in pairs]


def maps_of(specs: list[FeatureSpec], side: int = 64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(1, channels, -(-side // stride), -(-side // stride), generator=generator)
        for channels, stride in specs
    ]


@pytest.mark.parametrize("name", [*TINY, *TIMM])
def test_every_backbone_gives_one_map_per_wanted_stride(name: str) -> None:
    family, options = {**TINY, **TIMM}[name]
    backbone = vision.create_backbone(family, **options).eval()
    pyramid = complete_pyramid(backbone.feature_specs, WANTED)
    assert [spec.stride for spec in pyramid.feature_specs] == list(WANTED)
    missing = MISSING.get(name, set())
    assert bool(list(pyramid.parameters())) == bool(missing)
    for height, width in ((64, 96), (75, 101)):
        with torch.no_grad():
            maps = backbone(torch.randn(1, 3, height, width))
        outputs = pyramid(maps)
        for features, spec in zip(outputs, pyramid.feature_specs, strict=True):
            assert features.shape[:2] == (1, spec.channels)
            for side, cells in zip((height, width), features.shape[-2:], strict=True):
                # A cell more or less where a level is made of one that was rounded.
                assert abs(cells - side / spec.stride) <= (32 / spec.stride if missing else 1)
        if (height, width) == (64, 96):
            sizes = [tuple(features.shape[-2:]) for features in outputs]
            assert sizes == [(64 // stride, 96 // stride) for stride in WANTED]


def test_given_maps_are_passed_on_untouched() -> None:
    specs = specs_of((3, 2), (4, 4), (5, 8), (6, 16), (7, 32))
    maps = maps_of(specs)
    pyramid = Pyramid(specs, strides=WANTED)
    outputs = pyramid(maps)
    assert all(ours is given for ours, given in zip(outputs, maps[1:], strict=True))
    assert pyramid.feature_specs == tuple(specs[1:])


def test_a_single_stride_follows_vitdet() -> None:
    specs = specs_of((16, 16))
    pyramid = Pyramid(specs, strides=WANTED)
    (features,) = maps_of(specs)
    p4, p8, p16, p32 = pyramid(maps_of(specs))
    up, norm, gelu, up_again = pyramid.levels[0]
    x = F.conv_transpose2d(features, up.weight, up.bias, stride=2)
    x = F.layer_norm(x.movedim(1, -1), (8,), norm.weight, norm.bias, 1e-6).movedim(-1, 1)
    x = F.conv_transpose2d(gelu(x), up_again.weight, up_again.bias, stride=2)
    torch.testing.assert_close(p4, x)
    (up,) = pyramid.levels[1]
    torch.testing.assert_close(p8, F.conv_transpose2d(features, up.weight, up.bias, stride=2))
    assert torch.equal(p16, features)
    assert torch.equal(p32, F.max_pool2d(features, 2))
    assert [spec.channels for spec in pyramid.feature_specs] == [4, 8, 16, 16]


def test_the_deepest_of_several_maps_of_one_stride_counts() -> None:
    specs = specs_of((8, 16), (8, 16))
    maps = maps_of(specs)
    assert Pyramid(specs, strides=(16,))(maps)[0] is maps[1]


def test_levels_above_a_pyramid_are_convolved() -> None:
    specs = specs_of((4, 4), (6, 8), (8, 16))
    pyramid = Pyramid(specs, strides=(4, 8, 16, 32, 64))
    maps = maps_of(specs, side=100)
    *_, p32, p64 = pyramid(maps)
    for source, level, ours in ((maps[-1], 3, p32), (p32, 4, p64)):
        conv, norm = pyramid.levels[level]
        x = F.conv2d(source, conv.weight, stride=2, padding=1)
        x = F.layer_norm(x.movedim(1, -1), (8,), norm.weight, norm.bias, 1e-6).movedim(-1, 1)
        torch.testing.assert_close(ours, x)
    assert p32.shape[-2:] == (4, 4)
    assert p64.shape[-2:] == (2, 2)


@pytest.mark.parametrize(
    ("given", "wanted", "channels"),
    [
        ((1, 2, 4, 8, 16, 32), (4, 8, 16, 32), (4, 8, 16, 32)),  # VGG
        ((8, 16, 32), (4, 8, 16, 32), (4, 8, 16, 32)),  # a finer level is missing
        ((4, 16, 32), (4, 8, 16, 32), (4, 4, 16, 32)),  # a level between is missing
        ((4, 16), (4, 32), (4, 16)),  # what is nearest is not wanted itself
        ((8,), (4, 16), (4, 8)),
        ((2,), (4, 8), (2, 2)),
        ((16, 32), (2, 4, 32), (2, 4, 32)),
        ((14, 28), (8, 16, 32), (7, 14, 28)),
        ((14, 16), (8, 16), (8, 16)),  # an exact map goes before a resampled one
        ((16, 14), (8, 16), (8, 16)),
    ],
)
def test_any_strides_give_any_strides(
    given: tuple[int, ...], wanted: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    specs = specs_of(*((stride, stride) for stride in given))
    pyramid = Pyramid(specs, strides=wanted)
    assert pyramid.feature_specs == tuple(specs_of(*zip(channels, wanted, strict=True)))
    side = 224
    outputs = pyramid(maps_of(specs, side=side))
    shapes = [tuple(features.shape[1:]) for features in outputs]
    assert shapes == [
        (c, side // stride, side // stride) for c, stride in zip(channels, wanted, strict=True)
    ]
    if list(pyramid.parameters()):
        sum(features.square().sum() for features in outputs).backward()
    assert all(p.grad is not None for p in pyramid.parameters())


def test_resampling_is_linear_in_the_place() -> None:
    ramp = (torch.arange(16.0) + 0.5) * 14  # centres of cells of 14 pixels
    x = ramp.expand(1, 1, 16, 16)
    y = Resample(14, new_stride=16)(x)
    assert y.shape == (1, 1, 14, 14)
    expected = (torch.arange(14.0) + 0.5) * 16  # centres of cells of 16 pixels
    torch.testing.assert_close(y[0, 0, 3], expected)


def test_a_tiny_map_keeps_a_cell() -> None:
    assert Resample(14, new_stride=32)(torch.ones(1, 1, 1, 1)).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "strides",
    [(), (8, 4), (4, 4, 8), (4, 12), (4, 6, 8), (0, 8), (-8, 8), (4.0, 8.0), ("a",), 8, "48", None],
)
def test_unfit_strides_are_refused(strides: Any) -> None:
    with refuses(ConfigError, "powers", "apart"):
        complete_pyramid(specs_of((8, 16)), strides)


def test_no_maps_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one map"):
        complete_pyramid([])
