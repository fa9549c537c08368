"""Parameter groups, against hand-worked cases."""

from typing import Any

import pytest
from helpers.tiny_models import TINY
from helpers.tiny_task import tiny_task
from torch import nn

from vision import create_backbone
from vision.errors import ConfigError
from vision.optim.groups import parameter_groups
from vision.optim.optimizers import build_optimizer
from vision.optim.settings import OptimSettings


class Model(nn.Module):
    def __init__(self, family: str) -> None:
        super().__init__()
        name, options = TINY[family]
        self.backbone = create_backbone(name, **options)
        self.head = nn.Linear(self.backbone.embed_dim, 3)


@pytest.mark.parametrize("layer_decay", [1.0, 0.7])
@pytest.mark.parametrize("family", ["convnext", "swin", "tnt"])
def test_every_parameter_is_in_exactly_one_group(family: str, layer_decay: float) -> None:
    model = Model(family)
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=layer_decay)
    names = [name for group in groups for name in group.names]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    for group in groups:
        for name, parameter in zip(group.names, group.parameters, strict=True):
            assert model.get_parameter(name) is parameter


def test_layer_decay_by_hand() -> None:
    # A Swin of depths 1, 2, 2, 2: the stem and seven blocks are eight levels.
    model = Model("swin")
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.patch_embed.proj.weight"] == 0.5**8
    assert scale["backbone.stages.0.0.norm1.weight"] == 0.5**7
    assert scale["backbone.merges.1.reduction.weight"] == 0.5**6
    assert scale["backbone.stages.1.1.norm1.weight"] == 0.5**5
    assert scale["backbone.stages.3.1.norm1.weight"] == 0.5
    assert scale["backbone.norm.weight"] == 0.5
    assert scale["head.weight"] == 1.0
    assert groups[0].lr_scale == 0.5**8
    assert groups[-1].names == ["head.bias"]


def test_a_factor_of_the_backbone_multiplies_that_of_each_level() -> None:
    model = Model("swin")
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5, backbone_lr=0.1)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.stages.3.1.norm1.weight"] == pytest.approx(0.05)
    assert scale["head.weight"] == 1.0
    optimizer = build_optimizer(model, OptimSettings(backbone_lr=0.1))
    rates = sorted({group["lr"] for group in optimizer.param_groups})
    assert rates == pytest.approx([1e-4, 1e-3])


def test_a_factor_of_blocks_is_for_those_after_the_backbone_too() -> None:
    model = Model("swin")
    model.head = nn.ModuleDict({"block": nn.ModuleList([nn.Linear(2, 2)]), "last": nn.Linear(2, 2)})
    groups = parameter_groups(model, weight_decay=0.05, backbone_lr=0.5, block_lr=0.1)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    # "layers.0.blocks.0" in the authors' code.
    assert scale["backbone.stages.0.0.norm1.weight"] == pytest.approx(0.05)
    assert scale["backbone.merges.1.reduction.weight"] == 0.5
    assert scale["head.block.0.bias"] == pytest.approx(0.1)
    assert scale["head.last.bias"] == 1.0
    optimizer = build_optimizer(model, OptimSettings(block_lr=0.1))
    rates = sorted({group["lr"] for group in optimizer.param_groups})
    assert rates == pytest.approx([1e-4, 1e-3])


@pytest.mark.parametrize(("depth", "last"), [(None, 1), (6, 3), (12, 9)])
def test_stages_as_levels_by_hand(depth: int | None, last: int) -> None:
    # The released code of ConvNeXt: 0.9 ** (depth + 1 - i) for stage i of 1 to 4; the stem and the
    # layers between the stages are level 0.
    model = Model("convnext")
    options = {"layer_decay_by": "stage", "layer_decay_depth": depth}
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5, **options)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.downsample.0.0.weight"] == 0.5 ** (last + 4)
    assert scale["backbone.downsample.3.1.weight"] == 0.5 ** (last + 4)
    assert scale["backbone.stages.0.0.gamma"] == 0.5 ** (last + 3)
    assert scale["backbone.stages.3.0.gamma"] == 0.5**last
    assert scale["backbone.norm.weight"] == scale["head.weight"] == 1.0


def test_stages_as_levels_of_another_backbone() -> None:
    # Without a grouping of its authors: the stem, then four stages with what leads to them.
    model = Model("swin")
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5, layer_decay_by="stage")
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.patch_embed.proj.weight"] == 0.5**5
    assert scale["backbone.stages.0.0.norm1.weight"] == 0.5**4
    assert scale["backbone.stages.3.1.norm1.weight"] == 0.5


def test_levels_of_decay_may_be_empty() -> None:
    # ConvNeXt's 13 levels, of which a third stage of two blocks fills one of nine.
    model = Model("convnext")
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.downsample.0.0.weight"] == 0.5**13
    assert scale["backbone.stages.2.1.gamma"] == 0.5**10
    assert scale["backbone.stages.3.0.gamma"] == 0.5
    assert scale["backbone.norm.weight"] == 1.0
    assert scale["head.weight"] == 1.0


def test_flattened_parameters_keep_their_decay() -> None:
    # As FSDP has them when the optimiser is made: flat, some of them empty.
    task = tiny_task(weight_decay=0.05, layer_decay=0.5)
    expected = [(group["weight_decay"], len(group["params"])) for group in optimizer_of(task)]
    for parameter in task.parameters():
        parameter.data = parameter.data.flatten()[::2]
    assert [(g["weight_decay"], len(g["params"])) for g in optimizer_of(task)] == expected
    assert {decay for decay, _ in expected} == {0.0, 0.05}


def optimizer_of(task: Any) -> list[dict[str, Any]]:
    return build_optimizer(task, task.optim, undecayed=task._undecayed).param_groups


def test_frozen_parameters_are_left_out() -> None:
    model = Model("convnext")
    model.backbone.requires_grad_(False)
    groups = parameter_groups(model, weight_decay=0.05)
    assert [group.names for group in groups] == [["head.weight"], ["head.bias"]]
    model.requires_grad_(False)
    with pytest.raises(ConfigError, match="frozen"):
        build_optimizer(model, OptimSettings())
