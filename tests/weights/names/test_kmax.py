"""Names of kMaX-DeepLab's code; a whole head of theirs is in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.tiny_models import TINY
from helpers.tiny_panoptic import tiny_panoptic
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.heads.mask_transformer.kmax import KMaXHead
from vision.tasks.panoptic import PanopticSegmentation
from vision.weights.load import load_weights
from vision.weights.names import kmax
from vision.weights.names.families import family_module
from vision.weights.names.kmax import TABLES


@pytest.mark.parametrize("kind", ["aspp", "plain"])
def test_every_name_has_a_counterpart(kind: str) -> None:
    with torch.device("meta"):
        state = KMaXHead(
            [FeatureSpec(8, 4 << i) for i in range(4)], num_classes=3, semantic=kind
        ).state_dict()
    theirs = TABLES[kind].write(state)
    assert all(key.startswith(("pixel_decoder._", "predictor._")) for key in theirs)
    assert TABLES[kind].read(theirs).keys() == state.keys()


def test_a_whole_model_has_a_prefix() -> None:
    tensor = torch.zeros(2)
    state = {"sem_seg_head.predictor._auxiliary_semantic_predictor.2.conv.bias": tensor}
    assert TABLES["plain"].read(state).keys() == {"semantic.classifier.bias"}


def whole_model(task: PanopticSegmentation, naming: str) -> dict[str, Tensor]:
    """The tensors of a task under the names of their whole models."""
    table = family_module(task.backbone.family).TABLES[naming]
    backbone = table.write(task.backbone.state_dict(), task.backbone)
    head = {f"head.{name}": tensor for name, tensor in task.head.state_dict().items()}
    return {**{f"backbone.{key}": tensor for key, tensor in backbone.items()}, **kmax.write(head)}


@pytest.mark.parametrize(
    ("backbone", "naming", "known"),
    [
        ("convnext", "official", "backbone.stages.0.0.pwconv1.weight"),
        ("timm/resnet18", "detectron2", "backbone.res3.0.shortcut.norm.weight"),
    ],
)
def test_a_whole_model_of_theirs_is_loaded(backbone: str, naming: str, known: str) -> None:
    options = TINY["convnext"][1] if backbone == "convnext" else {}
    settings: dict[str, Any] = {"backbone": backbone, "backbone_options": options}
    torch.manual_seed(0)
    task = tiny_panoptic(**settings, class_names=["a", "b", "c", "d"])
    state = whole_model(task, naming)
    assert {known, "sem_seg_head.predictor._cluster_centers.weight"} <= state.keys()
    state["criterion.empty_weight"] = torch.ones(5)
    other = tiny_panoptic(**settings, num_classes=3, class_names=["d", "e", "a"])
    report = load_weights(other, {"state_dict": state, "class_names": ["a", "b", "c", "d"]})
    assert report.naming == "kmax"
    assert not report.missing + report.unexpected + report.reinitialised
    assert report.mapped == "mapped 2 of 4 classes by name: d, a; 1 without a counterpart: e"
    ours, found = task.state_dict(), other.state_dict()
    for name in report.loaded:
        rows = ([3, 4], [0, 3]) if ours[name].shape != found[name].shape else (..., ...)
        assert torch.equal(ours[name][rows[0]], found[name][rows[1]]), name
