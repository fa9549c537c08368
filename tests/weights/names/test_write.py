"""What `to_naming` refuses and offers; its names are tested family by family beside this."""

from dataclasses import replace

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection import tiny_detector
from helpers.tiny_task import tiny_task
from torch import nn

from vision.errors import ConfigError, WeightsError
from vision.weights.load import load_weights
from vision.weights.names import convnext
from vision.weights.names.operations import Operation
from vision.weights.names.write import available_namings, to_naming


def test_unknown_namings_and_modules_are_refused() -> None:
    with refuses(ConfigError, "'tim'", "official"):
        to_naming(tiny_task(), "tim")
    with refuses(ConfigError, "Backbone", "model", "Linear"):
        to_naming(nn.Linear(2, 2), "official")


def test_a_detector_has_no_names_among_classifiers() -> None:
    with refuses(ConfigError, "classifiers", "neck."):
        to_naming(tiny_detector(), "timm")


def test_a_file_of_another_naming_is_loaded_by_its_names() -> None:
    task = tiny_task()
    other = tiny_task()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    report = load_weights(other, to_naming(task, "timm"))
    assert report.naming == "timm"
    for key, tensor in task.backbone.state_dict().items():
        assert torch.equal(other.backbone.state_dict()[key], tensor)
    assert torch.equal(other.head.fc.weight, task.head.fc.weight)


def test_names_that_do_not_lead_back_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Operation(write=lambda state, module: {**state, "norm.bias": state["norm.bias"] + 1})
    table = replace(convnext.TABLES["official"], operations=[wrong])
    monkeypatch.setitem(convnext.TABLES, "official", table)
    with refuses(WeightsError, "counterpart", "names", "official"):
        to_naming(tiny_task(), "official")


def test_namings_of_a_family() -> None:
    assert available_namings("cswin") == ["official", "mmdet", "mmseg"]
    assert available_namings("swin") == ["official", "timm", "huggingface", "mmdet", "mmseg"]
