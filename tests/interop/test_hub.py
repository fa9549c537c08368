"""A folder for the hub: loaded back, and sent by an API that sends nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection import tiny_detector
from helpers.tiny_panoptic import tiny_panoptic
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import tiny_task
from torch import Tensor

import vision
from vision.errors import ConfigError, WeightsError
from vision.interop.hub import push_folder, write_folder
from vision.interop.model_card import CardOptions
from vision.tasks.base import BaseTask

IMAGES = torch.randint(
    0, 256, (1, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def leaves(value: Any) -> list[Tensor]:
    """The tensors within outputs of any kind."""
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [leaf for item in items for leaf in leaves(item)]


MAKERS: dict[str, Callable[[], BaseTask]] = {
    "classification": tiny_task,
    "detection": tiny_detector,
    "segmentation": tiny_segmentor,
    "panoptic": tiny_panoptic,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_the_folder_loads_back_to_equal_outputs(kind: str, tmp_path: Path) -> None:
    task = MAKERS[kind]().eval()
    with torch.inference_mode():
        expected = leaves(task(IMAGES))
    folder = write_folder(tmp_path / "model", task.state_dict(), task.describe())
    for address in (str(folder), f"hf://{folder}"):
        model = vision.load(address)
        assert model.kind == kind
        assert getattr(model.task, "things", None) == getattr(task, "things", None)
        actual = leaves(model(IMAGES))
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert torch.equal(a, b)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    task = tiny_task(class_names=[f"digit {i}" for i in range(8)])
    root = tmp_path_factory.mktemp("hub")
    (root / "run.yaml").write_text("name: digits\n")
    card = CardOptions(licence="mit", repo="me/digits")
    return write_folder(
        root / "folder", task.state_dict(), task.describe(), card=card, run_config=root / "run.yaml"
    )


def test_what_is_in_it(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "config.yaml",
        "model.safetensors",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert config["library_name"] == "vision-suite"
    assert config["task"] == "Classification"
    assert config["class_names"][7] == "digit 7"
    assert (folder / "config.yaml").read_text() == "name: digits\n"
    assert 'vision.load("hf://me/digits")' in (folder / "README.md").read_text()


def test_folders_of_the_own_machine_are_not_shown(tmp_path: Path) -> None:
    task = tiny_task()
    told = {**task.describe(), "pretrained": "/home/me/secret/a.pth", "weights": "secret/b.ckpt"}
    folder = write_folder(tmp_path, task.state_dict(), told)  # type: ignore[arg-type]
    config = json.loads((folder / "config.json").read_text())
    assert (config["pretrained"], config["weights"]) == ("a.pth", "b.ckpt")
    assert b"secret" not in (folder / "model.safetensors").read_bytes()


def test_a_second_writing_replaces_the_first(folder: Path) -> None:
    task = tiny_task(num_classes=3)
    write_folder(folder, task.state_dict(), task.describe())
    assert not (folder / "config.yaml").exists()
    assert len(vision.load(folder).class_names) == 3
    assert "config.yaml" not in (folder / "README.md").read_text()


class FakeApi:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def create_repo(self, repo_id: str, **options: Any) -> None:
        self.calls.append((repo_id, options))

    def upload_folder(self, **options: Any) -> None:
        if self.error:
            raise self.error
        self.calls.append((options.pop("repo_id"), options))


def test_pushing_sends_only_these_files(folder: Path) -> None:
    api = FakeApi()
    push_folder(folder, "me/digits", private=True, api=api)
    (made, how), (sent, what) = api.calls
    assert made == sent == "me/digits"
    assert how == {"exist_ok": True, "private": True}
    assert what["folder_path"] == str(folder)
    assert "model.safetensors" in what["allow_patterns"]
    assert not any("*" in pattern for pattern in what["allow_patterns"])


def test_mistakes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected owner/name"):
        push_folder(folder, "digits", api=FakeApi())
    with refuses(WeightsError, "holds no model.safetensors"):
        push_folder(tmp_path, "me/digits", api=FakeApi())
    with refuses(WeightsError, "401 Unauthorized. Log in with"):
        push_folder(folder, "me/digits", api=FakeApi(OSError("401 Unauthorized\nlong")))
    (tmp_path / "file").write_text("")
    task = tiny_task()
    with pytest.raises(WeightsError, match="cannot be written"):
        write_folder(tmp_path / "file" / "x", task.state_dict(), task.describe())
