"""What a checkpoint holds besides weights."""

import logging
from pathlib import Path

import pytest
import torch

from vision.data.base import DataModule
from vision.data.coco import COCO
from vision.data.digits import Digits
from vision.errors import ConfigError
from vision.tasks.checkpoint import agree_on_classes, agree_on_kind, plain


def test_plain_values_survive_a_safe_load(tmp_path: Path) -> None:
    value = {"a": (1, 2.5), "b": {"c": Path("x/y"), 3: [None, True]}, "d": "text"}
    torch.save(plain(value), tmp_path / "a.pt")
    expected = {"a": [1, 2.5], "b": {"c": str(Path("x/y")), "3": [None, True]}, "d": "text"}
    assert torch.load(tmp_path / "a.pt", weights_only=True) == expected


def test_what_is_not_plain_is_named() -> None:
    with pytest.raises(ConfigError, match="Linear"):
        plain({"loss": [torch.nn.Linear(1, 1)]})


def test_names_are_taken_where_there_are_none() -> None:
    assert agree_on_classes(None, ("cat", "dog"), 2, "the data") == ["cat", "dog"]
    assert agree_on_classes(["cat", "dog"], ("cat", "dog"), None, "the data") == ["cat", "dog"]


@pytest.mark.parametrize("num_classes", [3, None])
def test_another_number_of_classes_names_both(num_classes: int | None) -> None:
    ours = ["a", "b", "c"]
    with pytest.raises(ConfigError, match=r"num_classes=3.*the data has 2 .*cat, dog.*Set num_c"):
        agree_on_classes(ours, ("cat", "dog"), num_classes, "the data")


def test_another_order_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"class 1 is 'b' for the task but 'c'.*another order"):
        agree_on_classes(["a", "b", "c"], ["a", "c", "b"], 3, "the data")


def test_another_spelling_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert agree_on_classes(["cat", "dog"], ["n01", "dog"], 2, "the data") == ["cat", "dog"]
    assert "class 0 is 'cat' for the task but 'n01' for the data (1 of 2" in caplog.text


@pytest.mark.parametrize(
    ("task", "data"), [("detection", Digits()), ("classification", COCO(root="anywhere"))]
)
def test_data_for_another_task_are_refused(task: str, data: DataModule) -> None:
    name = type(data).__name__
    with pytest.raises(ConfigError, match=f"{name} is a dataset for .*, but the task is {task}"):
        agree_on_kind(task, data)
    agree_on_kind(data.kind, data)
    agree_on_kind(None, data)
    agree_on_kind(task, None)
