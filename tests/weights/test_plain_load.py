"""Checkpoints as training scripts write them, read with stand-ins that call nothing."""

import argparse
import collections
import io
import pathlib
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vision.errors import WeightsError
from vision.weights.plain_load import load_plain, refused_object

WEIGHT = torch.arange(6.0)


def read(path: Path) -> Any:
    return load_plain(path, what="weights file", error=WeightsError)


def saved(path: Path, contents: Any, **options: Any) -> Path:
    torch.save(contents, path, **options)
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_of_timm_and_torchvision(tmp_path: Path, zipped: bool) -> None:
    options = argparse.Namespace(lr=0.1, data_dir=pathlib.PurePosixPath("/data"), amp=None)
    counts: Any = collections.defaultdict(list, {"top1": [np.float64(0.5)]})
    contents = {
        "model": collections.OrderedDict(weight=WEIGHT),
        "args": options,
        "epoch": np.int64(3),
        "metric": np.float32(0.25),
        "output": pathlib.PureWindowsPath("C:/runs"),
        "history": counts,
    }
    before = torch.serialization.get_safe_globals()
    found = read(saved(tmp_path / "a.pth", contents, _use_new_zipfile_serialization=zipped))
    assert torch.equal(found["model"]["weight"], WEIGHT)
    assert (found["epoch"], found["metric"]) == (3, 0.25)
    assert type(found["history"]) is dict
    assert found["history"] == {"top1": [0.5]}
    assert found["output"] == "C:\\/runs"
    assert not vars(found["args"])
    assert {*torch.serialization.get_safe_globals()} == {*before}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i1", ">i2", "i8", "u1", "u8", "?"])
def test_numbers_of_numpy(tmp_path: Path, dtype: str) -> None:
    value = np.array([1, 100], dtype)[1]
    found = read(saved(tmp_path / "a.pth", {"value": value}))["value"]
    assert found == value.item()
    assert type(found) is type(value.item())


def renamed(contents: Any, names: dict[bytes, bytes]) -> bytes:
    """A legacy file in which what an object is made by has another name."""
    buffer = io.BytesIO()
    torch.save(contents, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    for old, new in names.items():
        assert old in data
        data = data.replace(old, new)
    return data


@pytest.mark.parametrize(
    ("contents", "names", "found"),
    [
        (pathlib.PurePosixPath("a/b"), {b"cpathlib\nPurePosixPath": b"cpathlib\nPosixPath"}, "a/b"),
        (
            pathlib.PurePosixPath("a/b"),
            {b"cpathlib\nPurePosixPath": b"cpathlib._local\nWindowsPath"},
            "a/b",
        ),
        (
            np.float64(2.5),
            {b"cnumpy._core.multiarray\n": b"cnumpy.core.multiarray\n"},
            2.5,
        ),
    ],
)
def test_names_of_other_systems_and_versions(
    contents: Any, names: dict[bytes, bytes], found: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.pth").write_bytes(renamed({"a": contents}, names))
    assert read(tmp_path / "a.pth") == {"a": found}


def test_a_stand_in_takes_over_nothing(tmp_path: Path) -> None:
    options = argparse.Namespace()
    vars(options).update({"__class__": "x", "lr": 1.0})
    counts: Any = collections.defaultdict(int)
    found = read(saved(tmp_path / "a.pth", {"args": options, "counts": counts}))
    assert not isinstance(found["args"], argparse.Namespace)
    with pytest.raises(KeyError):
        found["counts"]["absent"]


class Made:
    """Is made by a call, as a pickle says."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("contents", "named"),
    [
        (np.array([None]), "numpy._core.multiarray._reconstruct"),
        (Made(np.dtype, "O"), None),
        (Made(getattr, 1, "real"), "getattr"),
        (Made(eval, "1"), "eval"),
        (collections.defaultdict(print), "print"),
        (types.SimpleNamespace(a=1), "types.SimpleNamespace"),
    ],
)
def test_nothing_else_is_called(contents: Any, named: str | None, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"a": contents})
    if named is None:
        assert not isinstance(read(path)["a"], np.dtype)
        return
    with pytest.raises(pickle.UnpicklingError) as caught:
        read(path)
    assert refused_object(caught.value) == named


def test_what_packages_allow_is_not_called(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"a": Made(ValueError, "x")})
    with (
        torch.serialization.safe_globals([ValueError]),
        pytest.raises(pickle.UnpicklingError, match="ValueError"),
    ):
        read(path)


def test_a_number_that_is_an_object(tmp_path: Path) -> None:
    data = renamed({"a": np.float64(1)}, {b"X\x02\x00\x00\x00f8": b"X\x02\x00\x00\x00O8"})
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(ValueError, match="is not a number"):
        read(tmp_path / "a.pth")


@pytest.mark.skipif(sys.platform == "win32", reason="all files have all their bytes")
def test_a_large_file_is_not_sparse_for_having_a_hole(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"a": torch.zeros(2**18)})
    assert read(path)["a"].sum() == 0
