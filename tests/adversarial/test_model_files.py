"""Files of models and of weights that are damaged, hostile, or of another kind than they seem."""

import argparse
import collections
import json
import math
import os
import pathlib
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adversarial.case import Case, check, table
from helpers.tiny_predict import NAMES, tiny_model
from helpers.tiny_task import tiny_task
from safetensors.torch import save_file

from vision import load_weights
from vision.predict.load import load
from vision.predict.model import Model
from vision.weights.model_file import write_model

Change = Callable[[dict[str, Any]], Any]
ARGUMENTS = "hyper_parameters"


@cache
def model(kind: str = "classification") -> Model:
    return tiny_model(kind)


def described(change: Change, kind: str = "classification") -> Callable[[Path], Any]:
    """A file whose description is changed in place, or replaced by what the change returns."""

    def read(folder: Path) -> Any:
        description = json.loads(json.dumps(model(kind).description))
        changed = change(description)
        path = folder / "model.safetensors"
        write_model(path, model(kind).task.state_dict(), changed or description)
        return load(path).class_names

    return read


def set_to(*keys: str, value: Any, kind: str = "classification") -> Callable[[Path], Any]:
    def change(description: dict[str, Any]) -> None:
        inner = description
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return described(change, kind)


def worded(text: str) -> Callable[[Path], Any]:
    """A file with this text in the place of a description."""

    def read(folder: Path) -> Any:
        save_file({"a": torch.zeros(2)}, folder / "model.safetensors", metadata={"vision": text})
        return load(folder / "model.safetensors")

    return read


def bytes_of(change: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    """A file whose bytes are changed."""

    def read(folder: Path) -> Any:
        path = folder / "model.safetensors"
        write_model(path, model().task.state_dict(), model().description)
        path.write_bytes(change(path.read_bytes()))
        return load(path)

    return read


def lie(whole: bytes, shape: list[int]) -> bytes:
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    header["head.fc.bias"]["shape"] = shape
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + whole[8 + size :]


def checkpoint(change: Callable[[dict[Any, Any]], Any]) -> Callable[[Path], Any]:
    """A checkpoint whose tensors are changed in place, or replaced by what the change returns."""

    def read(folder: Path) -> Any:
        state: dict[Any, Any] = dict(model().task.state_dict())
        changed = change(state)
        contents = {
            "vision": model().description,
            ARGUMENTS: model().description[ARGUMENTS],
            "state_dict": state if changed is None else changed,
        }
        torch.save(contents, folder / "last.ckpt")
        return load(folder / "last.ckpt").class_names

    return read


def tensor(key: str, make: Callable[[torch.Tensor], Any]) -> Callable[[Path], Any]:
    return checkpoint(lambda state: state.update({key: make(state[key])}))


def weights(contents: Any, **options: Any) -> Callable[[Path], Any]:
    """A file of `torch.save`, read as weights into a small classifier."""

    def read(folder: Path) -> Any:
        path = folder / "weights.pth"
        torch.save(contents() if callable(contents) else contents, path)
        return load_weights(tiny_task(), path, **options).missing

    return read


def placed(make: Callable[[Path], Any], name: str = "last.ckpt") -> Callable[[Path], Any]:
    """Something that is no file of a model, in the place of one."""

    def read(folder: Path) -> Any:
        make(folder / name)
        return load(folder / name)

    return read


def state() -> dict[str, torch.Tensor]:
    return dict(model().task.state_dict())


def with_value(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        values.view(-1)[3] = value
        return values

    return change


class Runs:
    def __reduce__(self) -> Any:
        return os.mkdir, ("MADE",)


class Zeros:
    def __reduce__(self) -> Any:
        return bytearray, (10**12,)


def training_options() -> dict[str, Any]:
    """What the training scripts of timm and torchvision write beside their weights."""
    options = argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data"), amp=True)
    windows = pathlib.PureWindowsPath("C:/data")
    counts: Any = collections.defaultdict(list, {"a": [1]})
    numbers = [np.float64(1.5), np.int64(3), np.float32(0.5), np.bool_(True)]
    return {
        "model": state(),
        "args": options,
        "epoch": np.int64(3),
        "more": [windows, counts, numbers],
    }


def in_itself() -> dict[str, Any]:
    circle: dict[str, Any] = {}
    circle["model"] = circle
    return circle


def two_networks() -> dict[str, Any]:
    return {
        f"{branch}.backbone.{key.removeprefix('backbone.')}": value
        for branch in ("student", "teacher")
        for key, value in state().items()
        if key.startswith("backbone.")
    }


def write_zip(path: Path, names: Mapping[str, bytes], compression: int) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in names.items():
            archive.writestr(name, content)


def write_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write((2).to_bytes(8, "little") + b"{}")
        file.truncate(2**40)


def write_script(path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path)


HEAD = ("hyper_parameters", "head_options")
MMSEG = {"type": "FCNHead", "channels": 8, "num_convs": 1}
DESCRIPTIONS = (
    Case("a name of a class too few", set_to("class_names", value=["a"]), ("8", "1 class (a)")),
    Case(
        "classes with numbers for names",
        set_to("class_names", value=[*range(8)]),
        ("class_names", "text"),
    ),
    Case("one text for the names", set_to("class_names", value="abcdefgh"), ("class_names",)),
    Case(
        "a name with a terminal's escape",
        set_to("class_names", value=["a\x1b[2J", *NAMES[1:]]),
        gives=("a\\x1b[2J", *NAMES[1:]),
        warns=("control characters",),
    ),
    Case(
        "the same among the arguments",
        set_to(ARGUMENTS, "class_names", value=["a\n", *NAMES[1:]]),
        gives=NAMES,
        warns=("control characters",),
    ),
    Case(
        "a task that is not known",
        set_to("task", value="Clasification"),
        ("Did you mean 'Classification'",),
    ),
    Case("a list for a task", set_to("task", value=["Classification"]), ("task", "text")),
    Case("a list of arguments", set_to(ARGUMENTS, value=[1]), (ARGUMENTS, "mapping")),
    Case(
        "an argument of another version",
        set_to(ARGUMENTS, "colour", value=1),
        ("no option colour",),
    ),
    Case(
        "depths of 1e9",
        set_to(ARGUMENTS, "backbone_options", "depths", value=[10**9] * 4),
        ("depths", "65,536"),
    ),
    Case(
        "depths of 1,000",
        set_to(ARGUMENTS, "backbone_options", "depths", value=[1000] * 4),
        ("larger than the",),
    ),
    Case(
        "dims of 1e8", set_to(ARGUMENTS, "backbone_options", "dims", value=[10**8] * 4), ("dims",)
    ),
    Case(
        "dims of 0",
        set_to(ARGUMENTS, "backbone_options", "dims", value=[0] * 4),
        ("cannot be built", "model.safetensors"),
    ),
    Case(
        "dims of -8",
        set_to(ARGUMENTS, "backbone_options", "dims", value=[-8] * 4),
        ("cannot be built",),
    ),
    Case(
        "dims that are text",
        set_to(ARGUMENTS, "backbone_options", "dims", value="16"),
        ("dims", "Sequence[int]"),
    ),
    Case(
        "1e9 classes",
        set_to(ARGUMENTS, "num_classes", value=10**9),
        ("1,000,000,000 classes", "rows"),
    ),
    Case(
        "true for a number of classes",
        set_to(ARGUMENTS, "num_classes", value=True),
        ("num_classes",),
    ),
    Case("9 classes", set_to(ARGUMENTS, "num_classes", value=9), ("(8,", "(9,")),
    Case(
        "another backbone",
        set_to(ARGUMENTS, "backbone", value="swin"),
        ("cannot be built", "no option"),
    ),
    Case(
        "a backbone that is a class path",
        set_to(ARGUMENTS, "backbone", value={"class_path": "os.system"}),
        ("backbone",),
    ),
    Case(
        "a backbone of timm in a folder",
        set_to(ARGUMENTS, "backbone", value="timm/local-dir:/tmp"),
        ("timm has no model",),
    ),
    Case(
        "a backbone of timm on the hub",
        set_to(ARGUMENTS, "backbone", value="timm/hf-hub:a/resnet18"),
        ("timm has no model",),
    ),
    Case(
        "weights for the backbone",
        set_to(ARGUMENTS, "backbone_options", "pretrained", value="/x.pth"),
        ("pretrained",),
    ),
    Case("weights to start from", set_to(ARGUMENTS, "weights", value="/x.pth"), gives=NAMES),
    Case(
        "images of 1e6 pixels a side",
        set_to("preprocessing", "image_size", value=10**6),
        ("image_size", "32768"),
    ),
    Case(
        "an input of 1e6 pixels a side", set_to("input", "size", value=[10**6] * 2), ("input.size",)
    ),
    Case("a deviation of 0", set_to("input", "std", value=[1, 1, 0]), ("input.std", "positive")),
    Case("a mean of 1e5 channels", set_to("input", "mean", value=[0.5] * 100_000), ("input",)),
    Case(
        "a filter that is not known",
        set_to("input", "interpolation", value="magic"),
        ("bicubic or bilinear",),
    ),
    Case("colours beyond 255", set_to("palette", value=[[0, 0, 256]] * 8), ("palette", "0..255")),
    Case(
        "colours for one class", set_to("palette", value=[[0, 0, 1]]), ("1 colours for 8 classes",)
    ),
    Case("colours of unlike lengths", set_to("palette", value=[[0, 0, 1], [0]]), ("palette",)),
    Case("an epoch before the first", set_to("epoch", value=-1), ("epoch", "0 or more")),
    Case("metrics that are text", set_to("metrics", value={"val/top1": "<b>"}), ("val/top1",)),
    Case(
        "a backbone's name with a line break",
        set_to("backbone", value="a\nb"),
        ("backbone", "none for control"),
    ),
    Case(
        "lists in lists, 50 deep",
        described(lambda d: d.update(hyper_parameters={"a": json.loads("[" * 50 + "]" * 50)})),
        (ARGUMENTS, "levels"),
    ),
    Case("no description at all", worded("null"), ("expected a mapping",)),
    Case("JSON that is cut off", worded('{"task": "Cl'), ("cut off",)),
    Case("JSON 1,000 levels deep", worded("[" * 1000 + "]" * 1000), ("nested too deeply",)),
    Case("an integer of 5,000 digits", worded('{"epoch": ' + "9" * 5000 + "}"), ("digits",)),
    Case("a number of 400 digits", worded('{"step": 1e400}'), ("1e400",)),
    Case("a key twice", worded('{"task": "a", "task": "b"}'), ("'task' twice",)),
    Case("half of a character", worded('{"task": "\\ud800"}'), ("lone surrogate",)),
    Case("a measurement that is not a number", worded('{"metrics": {"val/top1": NaN}}'), ("NaN",)),
)
TENSORS = (
    Case(
        "a header that states another shape",
        bytes_of(lambda b: lie(b, [10**9])),
        ("truncated or no safetensors",),
    ),
    Case(
        "a header of 2**60 bytes",
        bytes_of(lambda b: (2**60).to_bytes(8, "little") + b[8:]),
        ("truncated or no",),
    ),
    Case("half a file", bytes_of(lambda b: b[: len(b) // 2]), ("truncated or no safetensors",)),
    Case("a web page", bytes_of(lambda b: b"<html>" * 100), ("truncated or no safetensors",)),
    Case(
        "a weight that is not a number",
        tensor("head.fc.weight", with_value(math.nan)),
        ("'head.fc.weight' has 1 of", "earlier checkpoint"),
    ),
    Case(
        "a bias that is infinite",
        tensor("head.fc.bias", with_value(-math.inf)),
        ("'head.fc.bias'", "infinite"),
    ),
    Case(
        "whole numbers for weights",
        tensor("head.fc.weight", torch.Tensor.long),
        ("int64", "float32"),
    ),
    Case("complex weights", tensor("head.fc.weight", lambda w: w + 1j), ("complex64",)),
    Case("sparse weights", tensor("head.fc.weight", torch.Tensor.to_sparse), ("not densely",)),
    Case("weights without data", tensor("head.fc.weight", lambda w: w.to("meta")), ("no data",)),
    Case(
        "one number for 1e12 weights",
        tensor("head.fc.weight", lambda w: torch.zeros(1).expand(10**6, 10**6)),
        ("repeats a few numbers",),
    ),
    Case(
        "a list for a weight",
        tensor("head.fc.weight", torch.Tensor.tolist),
        ("is a list, not a tensor",),
    ),
    Case(
        "a number for a key",
        checkpoint(lambda s: s.update({3: s.pop("head.fc.bias")})),
        ("is a int, not a name",),
    ),
    Case("a list of tensors", checkpoint(lambda s: [*s.values()]), ("holds a list",)),
    Case("a tensor too few", checkpoint(lambda s: {k: s[k] for k in [*s][1:]}), ("1 are missing",)),
)
FILES = (
    Case("a folder with the name of a checkpoint", placed(Path.mkdir), ("holds no model",)),
    Case("a pipe", placed(os.mkfifo), ("named pipe",)),
    Case("a pipe for tensors", placed(os.mkfifo, "model.safetensors"), ("named pipe",)),
    Case("a device without an end", placed(lambda p: p.symlink_to("/dev/zero")), ("device",)),
    Case("a link that leads to itself", placed(lambda p: p.symlink_to(p)), ("there is no",)),
    Case("a name that is too long", placed(lambda p: None, "x" * 300 + ".ckpt"), ("there is no",)),
    Case("a name with a NUL", placed(lambda p: None, "x\0.ckpt"), ("there is no",)),
    Case(
        "a file of a terabyte without contents",
        placed(write_sparse, "model.safetensors"),
        ("bytes", "sparse"),
    ),
    Case("nothing in a file", placed(Path.touch), ("last.ckpt",)),
    Case("a program of TorchScript", placed(write_script), ("TorchScript", "state_dict")),
    Case(
        "arrays of NumPy", placed(lambda p: np.savez(p.open("wb"), a=np.zeros(3))), ("last.ckpt",)
    ),
    Case(
        "a compressed archive",
        placed(lambda p: write_zip(p, {"a/data.pkl": bytes(9999)}, zipfile.ZIP_DEFLATED)),
        ("compressed",),
    ),
    Case(
        "an archive of something else",
        placed(lambda p: write_zip(p, {"a.txt": b"a"}, zipfile.ZIP_STORED)),
        ("last.ckpt",),
    ),
    Case(
        "an object that would run", placed(lambda p: torch.save({"a": Runs()}, p)), ("posix.mkdir",)
    ),
    Case(
        "a terabyte of zeros",
        placed(lambda p: torch.save({"a": Zeros()}, p)),
        ("memory of any size",),
    ),
    Case(
        "the same in the old format",
        placed(lambda p: torch.save({"a": Zeros()}, p, _use_new_zipfile_serialization=False)),
        ("memory of any size",),
    ),
    Case("weights beside the options of a training", weights(training_options), gives=[]),
    Case(
        "an object that would run beside weights",
        weights(lambda: {"model": state(), "a": Runs()}),
        ("'posix.mkdir'", "can run code"),
    ),
    Case(
        "an object of NumPy beside weights",
        weights(lambda: {"model": state(), "a": np.array([None])}),
        ("numpy",),
    ),
    Case("a dict in itself", weights(in_itself), ("holds no tensors",)),
    Case("two networks", weights(two_networks), ("a student and a teacher", 'branch="teacher"')),
    Case(
        "weights that are not numbers",
        weights(lambda: {**state(), "head.fc.bias": torch.full((8,), math.nan)}),
        ("'head.fc.bias' has 8 of 8",),
    ),
    Case(
        "weights of another model", weights({"conv1.weight": torch.zeros(3)}), ("fill only 0 of",)
    ),
)


@table(*DESCRIPTIONS)
def test_descriptions(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


@table(*TENSORS)
def test_tensors(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


@table(*FILES)
def test_files(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path, caplog)
    assert not (tmp_path / "MADE").exists()
