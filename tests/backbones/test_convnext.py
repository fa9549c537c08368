"""What is special to ConvNeXt: its block, its classifier and its memory order."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision import create_backbone
from vision.backbones.convnext import VARIANTS, ConvNeXt, ConvNeXtBlock

TINY: dict[str, Any] = {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1)}


def images_of(height: int = 48, width: int = 64) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_block_by_hand() -> None:
    torch.manual_seed(0)
    block = ConvNeXtBlock(6, layer_scale=0.5).eval()
    x = torch.randn(2, 6, 9, 7)
    branch = F.conv2d(x, block.conv.weight, block.conv.bias, padding=3, groups=6)
    mean, variance = branch.mean(dim=1, keepdim=True), branch.var(dim=1, correction=0, keepdim=True)
    branch = (branch - mean) / (variance + 1e-6).sqrt()
    fc1, fc2 = block.mlp.fc1, block.mlp.fc2
    branch = F.gelu(F.conv2d(branch, fc1.weight[:, :, None, None], fc1.bias))
    branch = F.conv2d(branch, fc2.weight[:, :, None, None], fc2.bias)
    torch.testing.assert_close(block(x), x + 0.5 * branch, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_classifier_pools_before_it_normalises() -> None:
    model = ConvNeXt(**TINY).eval()
    last = model(images_of())[-1]
    expected = F.layer_norm(last.mean(dim=(2, 3)), (32,), eps=1e-6)
    torch.testing.assert_close(model.embed(images_of()), expected)


@torch.no_grad()
def test_output_norms_act_on_each_position() -> None:
    plain, normed = ConvNeXt(**TINY).eval(), ConvNeXt(**TINY, out_norm=True).eval()
    normed.load_state_dict(plain.state_dict(), strict=False)
    for x, y in zip(plain(images_of()), normed(images_of()), strict=True):
        expected = F.layer_norm(x.movedim(1, -1), (x.shape[1],), eps=1e-6).movedim(-1, 1)
        torch.testing.assert_close(y, expected)


@torch.no_grad()
def test_maps_stay_in_channels_last_memory() -> None:
    for x in ConvNeXt(**TINY).eval()(images_of()):
        assert x.is_contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def test_a_layer_scale_of_zero_leaves_the_scales_out() -> None:
    torch.manual_seed(0)
    without = ConvNeXt(**TINY, layer_scale=0.0).eval()
    ones = ConvNeXt(**TINY, layer_scale=1.0).eval()
    assert not [name for name, _ in without.named_parameters() if "gamma" in name]
    ones.load_state_dict(without.state_dict(), strict=False)
    torch.testing.assert_close(ones.embed(images_of()), without.embed(images_of()))


def test_drop_path_rises_to_the_last_block() -> None:
    model = ConvNeXt(**TINY, drop_path_rate=0.4)
    rates = [block.drop_path.rate for blocks in model.stages for block in blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_the_norm_after_pooling_has_its_own_epsilon() -> None:
    norms = [m for m in ConvNeXt(**TINY, head_norm_eps=1e-12).modules() if hasattr(m, "eps")]
    assert sorted(norm.eps for norm in norms)[:2] == [1e-12, 1e-6]


def test_layer_groups_go_from_the_stem_to_the_last_block() -> None:
    groups = ConvNeXt(**TINY).layer_groups()
    assert len(groups) == 1 + 5
    assert all(name.startswith("downsample.0.") for name in groups[0])
    # A down-sampling layer goes with the block that follows it, the last norm with the last block.
    assert {name.partition(".")[0] for name in groups[2]} == {"downsample", "stages"}
    assert "norm.weight" in groups[-1]


def level_of(groups: list[list[str]], prefix: str) -> set[int]:
    return {i for i, names in enumerate(groups) for name in names if name.startswith(prefix)}


def test_levels_of_decay_are_the_published_groups_of_three_blocks() -> None:
    # [3, 3, 27, 3] blocks make 12 groups after the stem.
    with torch.device("meta"):
        groups = create_backbone("convnext_base").decay_groups()
    assert [len({name.rpartition(".")[0] for name in names}) > 0 for names in groups] == [True] * 13
    assert level_of(groups, "downsample.0.") == {0}
    assert level_of(groups, "downsample.1.") == level_of(groups, "stages.1.") == {2}
    assert level_of(groups, "downsample.2.") == level_of(groups, "stages.2.2.") == {3}
    assert level_of(groups, "stages.2.3.") == {4}
    assert level_of(groups, "stages.2.26.") == {11}
    assert level_of(groups, "downsample.3.") == level_of(groups, "stages.3.") == {12}
    assert level_of(groups, "norm") == set()


@pytest.mark.parametrize(("variant", "last"), [("tiny", 6), ("small", 12), ("base", 12)])
def test_a_dense_variant_has_the_levels_of_the_published_detectors(variant: str, last: int) -> None:
    with torch.device("meta"):
        groups = create_backbone(f"convnext_{variant}", dense=True).decay_groups()
    assert len(groups) == last + 1
    assert level_of(groups, "downsample.3.") == level_of(groups, "stages.3.") == {last}
    assert level_of(groups, "stages.2.8.") == {5}
    assert level_of(groups, "out_norms.") == set()


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_specs_of_the_variants(variant: str) -> None:
    with torch.device("meta"):
        model = create_backbone(f"convnext_{variant}")
    assert [spec.stride for spec in model.feature_specs] == [4, 8, 16, 32]
    assert model.embed_dim == VARIANTS[variant]["dims"][-1]


def test_initial_values() -> None:
    torch.manual_seed(0)
    model = ConvNeXt(dims=(64, 128, 128, 128), depths=(1, 1, 1, 1))
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert not module.bias.any()
    assert model.stages[0][0].gamma.unique().item() == pytest.approx(1e-6)


@pytest.mark.parametrize(("side", "cells"), [(97, [25, 13, 7, 4]), (96, [24, 12, 6, 3])])
def test_zeros_keep_the_corner_cells_of_odd_maps(side: int, cells: list[int]) -> None:
    options = {"dims": (8, 16, 24, 32), "depths": (1, 1, 1, 1), "dense": True}
    torch.manual_seed(0)
    plain = create_backbone("convnext", **options).eval()
    torch.manual_seed(0)
    kept = create_backbone("convnext", **options, keep_corners=True).eval()
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        maps = kept(images)
        assert [x.shape[-1] for x in maps] == cells
        # The first stage is that of an image with a border.
        padded = plain(F.pad(images, (1, 2, 1, 2)))
    torch.testing.assert_close(maps[0], padded[0])
