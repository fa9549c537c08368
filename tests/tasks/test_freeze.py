"""Frozen parts do not move, and what is not frozen trains."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from torch import nn

from vision import create_backbone
from vision.errors import ConfigError
from vision.tasks import Classification
from vision.tasks.freeze import freeze_backbone


def fit(folder: Path, frozen_stages: Any, **options: Any) -> dict[str, bool]:
    """Whether each entry of the state dict has moved in a short training."""
    task = tiny_task(frozen_stages=frozen_stages, lr=0.1, weight_decay=0.5, **options)
    before = {key: value.clone() for key, value in task.state_dict().items()}
    quiet_trainer(folder, max_epochs=1).fit(task, TinyData())
    return {key: not torch.equal(before[key], value) for key, value in task.state_dict().items()}


def test_a_linear_probe_trains_only_the_classifier(tmp_path: Path) -> None:
    moved = fit(tmp_path, "all")
    assert {key for key, value in moved.items() if value} == {"head.fc.weight", "head.fc.bias"}


def test_frozen_stages_stay_with_the_stem(tmp_path: Path) -> None:
    moved = fit(tmp_path, 2)
    frozen = ("backbone.downsample.0", "backbone.downsample.1", "backbone.stages.0")
    frozen += ("backbone.stages.1",)
    for key, value in moved.items():
        assert value != key.startswith(frozen), key


def test_running_statistics_of_frozen_parts_stay(tmp_path: Path) -> None:
    task = Classification("timm/resnet10t", 8, frozen_stages=1, optim={"warmup_epochs": 0})
    statistics = {k: v.clone() for k, v in task.state_dict().items() if "running_mean" in k}
    quiet_trainer(tmp_path, max_epochs=1).fit(task, TinyData())
    moved = {k: not torch.equal(v, task.state_dict()[k]) for k, v in statistics.items()}
    for key, value in moved.items():
        assert value == any(f"layer{i}" in key for i in (2, 3, 4)), key
    assert not all(moved.values())
    # Lightning restores the modes after the validation of an epoch.
    assert task.training
    norms = {n: m for n, m in task.backbone.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {norm.training for name, norm in norms.items() if "layer1" in name} == {False}
    assert {norm.training for name, norm in norms.items() if "layer3" in name} == {True}


def test_batch_norms_stay_while_all_else_trains(tmp_path: Path) -> None:
    task = Classification(
        "timm/resnet10t", 8, frozen_norms=True, optim={"warmup_epochs": 0, "lr": 0.1}
    )
    before = {key: value.clone() for key, value in task.state_dict().items()}
    quiet_trainer(tmp_path, max_epochs=1).fit(task, TinyData())
    norms = [n for n, m in task.named_modules() if isinstance(m, nn.BatchNorm2d)]
    for key, value in task.state_dict().items():
        assert torch.equal(value, before[key]) == (key.rpartition(".")[0] in norms), key
    assert not any(m.training for m in task.modules() if isinstance(m, nn.BatchNorm2d))
    with refuses(ConfigError, "frozen_norms", "ConvNeXt", "leave it out"):
        tiny_task(frozen_norms=True)


@pytest.mark.parametrize("family", sorted(TINY))
def test_stages_of_every_family(family: str) -> None:
    name, options = TINY[family]
    backbone = create_backbone(name, **options)
    groups = backbone.stage_groups()
    names = sorted(name for group in groups for name in group)
    assert names == sorted(name for name, _ in backbone.named_parameters())
    stages = 2 if family == "tnt" else 3 if family == "cvt" else 4  # the blocks of TNT count
    assert len(groups) == 1 + stages
    for i, group in enumerate(groups[1:]):
        blocks = {name for name in group if name.startswith(("stages.", "blocks."))}
        assert {int(name.split(".")[1]) for name in blocks} == {i}


def test_every_stage_can_be_frozen_but_no_more() -> None:
    backbone = create_backbone("convnext", **TINY["convnext"][1])
    freeze_backbone(backbone, 4)
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    for impossible in (5, -1, "backbone"):
        with refuses(ConfigError, "frozen_stages", "'all'", "0", "4"):
            freeze_backbone(backbone, impossible)
