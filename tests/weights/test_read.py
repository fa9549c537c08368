"""Reading of weights files: what is found in them, and what is refused."""

import fractions
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from vision.errors import WeightsError
from vision.weights.read import read_class_names, read_state_dict

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def assert_is_state(found: dict[str, torch.Tensor]) -> None:
    assert sorted(found) == sorted(STATE)
    for name, tensor in STATE.items():
        assert torch.equal(found[name], tensor)


def saved(tmp_path: Path, content: Any, **options: Any) -> Path:
    path = tmp_path / "weights.pth"
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_a_plain_state_dict(tmp_path: Path, zipped: bool) -> None:
    assert_is_state(read_state_dict(saved(tmp_path, STATE, _use_new_zipfile_serialization=zipped)))


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "weights.safetensors")
    assert_is_state(read_state_dict(str(tmp_path / "weights.safetensors")))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "optimizer": {"state": {}}, "epoch": 3},
        lambda state: {"state_dict": state, "global_step": 7},
        lambda state: {"state_dict_ema": state, "state_dict": {"x": torch.zeros(1)}},
        lambda state: {"model": {"x": torch.zeros(1)}, "model_ema": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"model_state": state, "optimizer_state": {"state": {}}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {f"_orig_mod.{key}": value for key, value in state.items()},
        lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
        lambda state: {key.replace("a.", "a._orig_mod."): v for key, v in state.items()},
    ],
)
def test_wrappers_are_seen_through(wrap: Any, tmp_path: Path) -> None:
    assert_is_state(read_state_dict(wrap(STATE)))
    assert_is_state(read_state_dict(saved(tmp_path, wrap(STATE))))


def test_averaged_models_are_seen_through() -> None:
    model = nn.ModuleDict({"a": nn.Linear(3, 2)})
    model.load_state_dict(STATE)
    assert_is_state(read_state_dict(AveragedModel(model).state_dict()))


def test_a_part_named_module_keeps_its_name() -> None:
    state = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    assert sorted(read_state_dict(state)) == ["b", "module.a"]


class Writer:
    """Creates a file when it is unpickled by ordinary means."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def dump(path: Path, content: Any) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("save", [lambda path, content: torch.save(content, path), dump])
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"model": STATE, "x": evil}])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_not_run(save: Any, wrap: Any, tmp_path: Path) -> None:
    made = tmp_path / "made"
    path = tmp_path / "weights.pth"
    save(path, wrap(Writer(made)))
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        read_state_dict(path)
    assert not made.exists()
    # The trap itself works: this is what an unsafe reader would have done.
    assert Writer(made).__reduce__()[0](*Writer(made).__reduce__()[1]).close() is None
    assert made.exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (fractions.Fraction(1, 3), "fractions.Fraction"),
        (nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    ],
)
def test_objects_beside_the_weights_are_refused_by_name(
    content: Any, named: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, {"model": STATE, "args": content})
    with pytest.raises(WeightsError, match=f"was refused.*'{named}'.*safetensors"):
        read_state_dict(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_truncated_checkpoints(tmp_path: Path, zipped: bool, part: float) -> None:
    path = saved(tmp_path, STATE, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with refuses(WeightsError, "weights.pth", "download"):
        read_state_dict(path)


@pytest.mark.parametrize("size", [5, 60, -4])
def test_truncated_safetensors(tmp_path: Path, size: int) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:size])
    with refuses(WeightsError, "whole", "safetensors", "download"):
        read_state_dict(path)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_empty_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.touch()
    with pytest.raises(WeightsError, match="is empty"):
        read_state_dict(path)


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html></html>", b"hello", b"\x80\x02}q\x00.", bytes(range(256))]
)
def test_files_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], ("list", "state", "dict")),
        ({"epoch": 3}, ("tensors", "found epoch")),
        ({}, ("holds no tensors",)),
    ],
)
def test_checkpoints_without_weights(
    tmp_path: Path, content: Any, message: tuple[str, ...]
) -> None:
    with refuses(WeightsError, *message):
        read_state_dict(saved(tmp_path, content))


def test_an_absent_file_names_the_nearest(tmp_path: Path) -> None:
    saved(tmp_path, STATE)
    with refuses(WeightsError, "weights", "wieghts.pth"):
        read_state_dict(tmp_path / "wieghts.pth")
    with refuses(WeightsError, "weights", "file"):
        read_state_dict(tmp_path / "nowhere" / "weights.pth")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"class_names": ["a", "b"]}, ["a", "b"]),
        ({"class_names": None, "meta": {"CLASSES": ("a", "b")}}, ["a", "b"]),
        ({"meta": "a note"}, None),
        ({"class_names": []}, None),
        ({"class_names": [1, 2]}, None),
        ({}, None),
    ],
)
def test_class_names(content: dict[str, Any], expected: list[str] | None, tmp_path: Path) -> None:
    assert read_class_names(saved(tmp_path, {"state_dict": STATE, **content})) == expected
