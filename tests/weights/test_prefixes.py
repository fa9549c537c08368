"""Prefixes of keys are taken off where the keys fit without them, and said."""

import logging
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import tiny_task
from torch import Tensor

from vision import create_backbone, load_weights
from vision.errors import WeightsError
from vision.weights.prefixes import without_prefixes

SMALL = {"dims": [16, 32, 64, 128], "depths": [1, 1, 1, 1]}


def official() -> dict[str, Tensor]:
    """Other weights for `tiny_task`, under the names of the authors."""
    torch.manual_seed(5)
    named = {}
    for key, tensor in tiny_task().state_dict().items():
        key = key.removeprefix("backbone.").replace("downsample.", "downsample_layers.")
        key = key.replace(".conv.", ".dwconv.").replace(".mlp.fc", ".pwconv")
        named[key.replace("head.fc.", "head.")] = torch.rand_like(tensor)
    return named


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: tensor for key, tensor in state.items()}


@pytest.mark.parametrize(
    "prefix", ["model.", "net.", "encoder.", "module.model.", "model.net.", "net.module.encoder."]
)
def test_a_common_prefix_is_taken_off(prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    task, state = tiny_task(), official()
    with caplog.at_level(logging.INFO):
        report = load_weights(task, prefixed(state, prefix))
    assert report.prefix == prefix.removeprefix("module.")
    assert f"without '{report.prefix}' before them" in caplog.text
    assert not report.missing + report.unexpected
    assert torch.equal(task.head.fc.bias, state["head.bias"])


@pytest.mark.parametrize("prefix", ["backbone.", "model.backbone.", "model.", "net.backbone."])
def test_a_backbone_alone(prefix: str) -> None:
    state = {k: v for k, v in official().items() if not k.startswith("head.")}
    backbone = create_backbone("convnext", **SMALL)
    report = load_weights(backbone, prefixed(state, prefix))
    assert not report.missing + report.unexpected
    assert torch.equal(backbone.norm.weight, state["norm.weight"])


def test_what_stands_beside_the_model_is_unexpected() -> None:
    state = {**prefixed(tiny_task().state_dict(), "model."), "criterion.weight": torch.ones(3)}
    report = load_weights(tiny_task(), state)
    assert (report.prefix, report.missing) == ("model.", [])
    assert report.unexpected == ["criterion.weight"]


def test_nothing_is_taken_off_where_the_keys_fit() -> None:
    backbone = create_backbone("timm/resnet18", dense=True)
    assert all(key.startswith("model.") for key in backbone.state_dict())
    report = load_weights(backbone, backbone.state_dict())
    assert (report.naming, report.prefix) == ("ours", "")


def both_branches() -> dict[str, Tensor]:
    state = official()
    other = {key: tensor + 1 for key, tensor in state.items()}
    return {**prefixed(state, "student.backbone."), **prefixed(other, "teacher.backbone.")}


@pytest.mark.parametrize(("branch", "added"), [("student", 0), ("teacher", 1)])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": prefixed(state, "model.")},
        lambda state: {
            name: {k.partition(".")[2]: v for k, v in state.items() if k.startswith(name)}
            for name in ("student", "teacher")
        },
    ],
)
def test_one_of_two_networks(wrap: Any, branch: Any, added: int) -> None:
    task = tiny_task()
    report = load_weights(task, wrap(both_branches()), branch=branch)
    assert not report.missing
    expected = both_branches()["student.backbone.norm.weight"] + added
    assert torch.equal(task.backbone.norm.weight, expected)
    with refuses(WeightsError, "Choose one", 'branch="teacher"'):
        load_weights(task, wrap(both_branches()))


def test_prefixes_are_tried_from_the_shortest() -> None:
    state = {"net.model.a": torch.zeros(1), "net.model.b": torch.zeros(1)}
    assert [taken for taken, _ in without_prefixes(state)] == ["", "net.", "net.model."]
