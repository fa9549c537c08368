"""Necks over every tiny backbone: specs, sizes, gradients."""

from itertools import pairwise

import pytest
import torch
from helpers.tiny_models import TINY

import vision
from vision.contracts.features import FeatureSpec
from vision.necks.build import build_neck


@pytest.mark.parametrize("name", TINY)
def test_every_parameter_of_backbone_and_neck_learns(name: str) -> None:
    family, options = TINY[name]
    backbone = vision.create_backbone(family, **options, dense=True)
    neck = build_neck(backbone.feature_specs, out_channels=8)
    assert neck.feature_specs == tuple(FeatureSpec(8, stride) for stride in (4, 8, 16, 32, 64))
    outputs = neck(backbone(torch.randn(2, 3, 64, 96)))
    shapes = [tuple(features.shape) for features in outputs]
    assert shapes == [(2, 8, -(-64 // stride), -(-96 // stride)) for stride in (4, 8, 16, 32, 64)]
    sum(features.square().sum() for features in outputs).backward()
    assert [n for n, p in neck.named_parameters() if p.grad is None] == []
    assert [n for n, p in backbone.named_parameters() if p.grad is None] == []


def test_dense_detectors_start_at_stride_8() -> None:
    specs = [FeatureSpec(8 * stride, stride) for stride in (4, 8, 16, 32)]
    neck = build_neck(
        specs, strides=(8, 16, 32), out_channels=8, extra_levels=2, extra="conv_input"
    )
    assert [spec.stride for spec in neck.feature_specs] == [8, 16, 32, 64, 128]
    assert neck.fpn.extras[0].in_channels == 256
    assert not list(neck.pyramid.parameters())


def test_odd_sizes_pass() -> None:
    backbone = vision.create_backbone(TINY["cvt"][0], **TINY["cvt"][1], dense=True)
    neck = build_neck(backbone.feature_specs, out_channels=8)
    sizes = [features.shape[-2:] for features in neck(backbone(torch.randn(1, 3, 75, 101)))]
    assert len(sizes) == 5
    assert all(
        fine[axis] / coarse[axis] == pytest.approx(2, rel=0.5)
        for fine, coarse in pairwise(sizes)
        for axis in (0, 1)
    )


def test_it_exports() -> None:
    neck = build_neck([FeatureSpec(16, 14)], out_channels=8).eval()
    maps = [torch.randn(1, 16, 5, 7)]
    program = torch.export.export(neck, (maps,))
    for ours, theirs in zip(neck(maps), program.module()(maps), strict=True):
        torch.testing.assert_close(ours, theirs)
