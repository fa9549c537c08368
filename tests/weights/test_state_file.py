"""Tensors by key in a .pth and in a .safetensors, as other programs read them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vision.errors import WeightsError
from vision.weights.state_file import write_state

STATE = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.tensor([1, 2])}


@pytest.mark.parametrize("names", [None, ["cat", "dog"]])
def test_a_pth_has_names_of_classes_if_they_are_given(
    tmp_path: Path, names: list[str] | None
) -> None:
    write_state(tmp_path / "m.pth", STATE, class_names=names)
    found = torch.load(tmp_path / "m.pth", weights_only=True)
    if names is not None:
        assert found["meta"]["dataset_meta"]["classes"] == names
        found = found["state_dict"]
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_safetensors_say_that_they_are_of_torch(tmp_path: Path) -> None:
    write_state(tmp_path / "m.safetensors", STATE, class_names=None)
    found = load_file(tmp_path / "m.safetensors")
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)
    assert b'"format":"pt"' in (tmp_path / "m.safetensors").read_bytes()[:200]


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"file/m\.pth"):
        write_state(tmp_path / "file" / "m.pth", STATE, class_names=None)
