"""What a checkpoint holds besides weights."""

import logging
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch.callbacks import ModelCheckpoint

from vision.contracts.models import ModelDescription
from vision.data.base.datamodule import DataModule
from vision.data.datasets.coco import COCO
from vision.data.datasets.digits import Digits
from vision.errors import CheckpointError, ConfigError
from vision.tasks.checkpoint import (
    agree_on_classes,
    agree_on_kind,
    built_from,
    describe_checkpoint,
    plain,
)


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
    assert agree_on_classes(["cat", "dog"], ("cat", "dog"), 2, "the data") == ["cat", "dog"]


@pytest.mark.parametrize("ours", [["a", "b", "c"], None])
def test_another_number_of_classes_names_both(ours: list[str] | None) -> None:
    with refuses(ConfigError, "num_classes=3", "2", "cat, dog"):
        agree_on_classes(ours, ("cat", "dog"), 3, "the data")


def test_another_order_is_refused() -> None:
    with refuses(ConfigError, "1", "'b'", "'c'", "another order"):
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


# Descriptions


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A checkpoint of a trained and validated task that keeps averages."""
    folder = tmp_path_factory.mktemp("checkpoint")
    trainer = quiet_trainer(folder, max_epochs=2)
    trainer.fit(tiny_task(ema_decay=0.5), TinyData(train=8, val=4))
    trainer.save_checkpoint(folder / "a.ckpt")
    return torch.load(folder / "a.ckpt", weights_only=True)


def test_a_task_is_described_before_it_is_trained() -> None:
    task = tiny_task(pretrained=False)
    description = task.describe()
    assert set(description) == set(get_type_hints(ModelDescription))
    assert (description["epoch"], description["step"], description["metrics"]) == (0, 0, {})
    assert (description["class_names"], description["data"]) == (None, None)
    assert plain(description) == description


def test_a_checkpoint_tells_what_its_training_has_reached(checkpoint: dict[str, Any]) -> None:
    description = describe_checkpoint(checkpoint)
    assert set(description) == set(get_type_hints(ModelDescription))
    assert (description["epoch"], description["step"]) == (2, 4)
    assert set(description["metrics"]) == {"val/loss", "val/top1", "val/top5"}
    assert description["averaged"]
    raw = {key: value for key, value in checkpoint.items() if key != "ema_state_dict"}
    assert not describe_checkpoint(raw)["averaged"]


@pytest.mark.parametrize("every", [1.0, 0.5])
def test_epochs_count_from_their_end_on(tmp_path: Path, every: float) -> None:
    """Of three batches: validation after each epoch, or after each batch."""
    keeper = ModelCheckpoint(
        tmp_path, filename="{step}", monitor="val/loss", save_top_k=-1, save_last=False
    )
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=2,
        val_check_interval=every,
        callbacks=[keeper],
        enable_checkpointing=True,
    )
    trainer.fit(tiny_task(), TinyData(train=12, val=4))
    found = [torch.load(path, weights_only=True)["vision"] for path in tmp_path.glob("step=*.ckpt")]
    counted = {one["step"]: one["epoch"] for one in found}
    expected = {3: 1, 6: 2} if every == 1.0 else {1: 0, 2: 0, 3: 1, 4: 1, 5: 1, 6: 2}
    assert counted == expected


def test_a_checkpoint_of_an_early_version_is_described_as_far_as_it_goes() -> None:
    early = {
        "vision": {"version": "0.0.1", "backbone": "swin"},
        "hyper_parameters": {"num_classes": 3},
        "class_names": ["a", "b", "c"],
        "epoch": 4,
        "global_step": 9,
    }
    description = describe_checkpoint(early)
    assert set(description) == set(get_type_hints(ModelDescription))
    assert (description["version"], description["backbone"]) == ("0.0.1", "swin")
    assert description["hyper_parameters"] == {"num_classes": 3}
    assert description["class_names"] == ["a", "b", "c"]
    assert (description["epoch"], description["step"], description["task"]) == (4, 9, "")


@pytest.mark.parametrize("other", [{}, {"vision": {}}, {"vision": "x", "hyper_parameters": {}}])
def test_what_is_of_no_task_is_said_so(other: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="does not say which task"):
        describe_checkpoint(other)


def test_a_task_that_is_built_again_reads_no_weights() -> None:
    given = {"num_classes": 3, "pretrained": True, "weights": "a.pth"}
    assert built_from(given) == {"num_classes": 3, "pretrained": False, "weights": None}
    assert given["pretrained"] is True
