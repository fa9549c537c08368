from pathlib import Path

import pytest
import torch
from helpers.run_folders import write_checkpoint
from helpers.tiny_detection import tiny_detector
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import tiny_task
from safetensors.torch import save_file

from vision.report.run_model import read_facts
from vision.tasks import Classification
from vision.tasks.base import BaseTask
from vision.weights.model_file import write_model


def build(name: str) -> BaseTask:
    if name in TINY and name != "convnext":
        torch.manual_seed(0)
        backbone, options = TINY[name]
        return Classification(backbone, num_classes=8, backbone_options=options)
    return {"convnext": tiny_task, "mask_rcnn": tiny_detector, "upernet": tiny_segmentor}[name]()


@pytest.mark.parametrize("name", [*TINY, "mask_rcnn", "upernet"])
def test_only_parameters_are_counted(name: str, tmp_path: Path) -> None:
    task = build(name)
    expected = sum(parameter.numel() for parameter in task.parameters())
    notes: list[str] = []
    path = write_checkpoint(tmp_path / "checkpoints" / "best.ckpt", task)
    facts = read_facts(tmp_path, None, notes)
    assert (facts.size.parameters, facts.size.checkpoint) == (expected, path.stat().st_size)
    assert facts.kind == task.kind
    file = write_model(tmp_path / "weights/best.safetensors", task.state_dict(), task.describe())
    of_weights = read_facts(tmp_path, file, notes)
    assert of_weights.size.parameters == expected
    assert of_weights.size.weights == file.stat().st_size
    assert of_weights.size.checkpoint is None
    assert notes == []


def test_designs_are_named_with_their_backbone(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "checkpoints" / "last.ckpt", tiny_detector())
    assert read_facts(tmp_path, None, []).model == "mask_rcnn convnext"
    assert read_facts(tmp_path, path, []).model == "mask_rcnn convnext"


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("best.ckpt", b""),
        ("best.ckpt", b"PK\x03\x04 cut off"),
        ("best.safetensors", b"\xff" * 20),
    ],
)
def test_damaged_files_are_noted_by_name(name: str, contents: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    notes: list[str] = []
    assert read_facts(tmp_path, path, notes).size.parameters is None
    assert len(notes) == 1
    assert str(path) in notes[0]


def test_other_files_are_noted_by_name(tmp_path: Path) -> None:
    other, weights = tmp_path / "other.ckpt", tmp_path / "other.safetensors"
    torch.save({"weight": torch.zeros(3)}, other)
    save_file({"weight": torch.zeros(3)}, weights)
    notes: list[str] = []
    read_facts(tmp_path, other, notes)
    read_facts(tmp_path, weights, notes)
    assert f"'{other}' is not a checkpoint of a run" in notes[0]
    assert f"'{weights}' does not say which model" in notes[1]
