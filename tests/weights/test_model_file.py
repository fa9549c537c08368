"""The file of a model: tensors and their description, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from safetensors import safe_open
from safetensors.torch import save_file

from vision.errors import CheckpointError, WeightsError
from vision.weights.description import MISSING
from vision.weights.model_file import read_model, write_model

DESCRIPTION: Any = {"task": "Classification", "class_names": ["ä", "b"], "metrics": {"val/x": 0.1}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    shared = torch.randn(4, 4)
    state = {"a": shared, "b": shared[:, ::2], "c": torch.arange(3), "d": shared.half()}
    path = write_model(tmp_path / "new" / "m.safetensors", state, DESCRIPTION)
    found, description = read_model(path)
    assert description == {**MISSING, **DESCRIPTION}
    assert found.keys() == state.keys()
    for key, tensor in state.items():
        assert torch.equal(found[key], tensor)
        assert found[key].dtype == tensor.dtype
    # Another reader finds the same.
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["format"] == "pt"
        assert json.loads(file.metadata()["vision"]) == DESCRIPTION
    assert [file.name for file in path.parent.iterdir()] == ["m.safetensors"]


def test_a_file_of_others_has_no_description(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "m.safetensors")
    state, description = read_model(tmp_path / "m.safetensors")
    assert list(state) == ["a"]
    assert description is None


@pytest.mark.parametrize(
    ("text", "message"), [("{torn", ("looks cut off",)), ("[1]", ("list", "mapping"))]
)
def test_a_damaged_description(text: str, message: tuple[str, ...], tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "m.safetensors", metadata={"vision": text})
    with refuses(CheckpointError, *message):
        read_model(tmp_path / "m.safetensors")


def test_damaged_and_absent_files(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.safetensors", {"a": torch.zeros(100)}, DESCRIPTION)
    whole = path.read_bytes()
    for content in (whole[:-50], whole[:20], b"", b"no safetensors"):
        path.write_bytes(content)
        with refuses(WeightsError, "truncated", "safetensors", "file"):
            read_model(path)
    with refuses(WeightsError, "model", "file", "absent"):
        read_model(tmp_path / "absent.safetensors")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "folder.safetensors"
    path.mkdir()
    with pytest.raises(WeightsError, match="cannot be written"):
        write_model(path, {"a": torch.zeros(2)}, DESCRIPTION)
    assert [file.name for file in tmp_path.iterdir()] == ["folder.safetensors"]
