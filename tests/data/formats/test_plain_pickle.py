import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from vision.data.formats.plain_pickle import read_plain_pickle
from vision.errors import DataError


class Call:
    """Pickles as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["u1", ">i2", "<i8", "<f4", "b1"])
def test_arrays_of_numbers_are_read(protocol: int, kind: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    content = {"c": array, "f": np.asfortranarray(array), "list": [1, -2], "text": "é", "x": None}
    read = read_plain_pickle(pickle.dumps(content, protocol=protocol), "a")
    assert read.keys() == content.keys()
    assert (read["list"], read["text"], read["x"]) == ([1, -2], "é", None)
    for key in ("c", "f"):
        np.testing.assert_array_equal(read[key], array)
        assert read[key].dtype == array.dtype


def message_of(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read_plain_pickle(data, "folder/file")
    assert "'folder/file'" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    made = tmp_path / "made"
    calls = {
        "system": Call(os.system, f"touch {made}"),
        "eval": Call(eval, f"open({str(made)!r}, 'w')"),
        "open": Call(open, str(made), "w"),
        "save": Call(np.save, str(made), 1),
        "getattr": Call(getattr, 1, "real"),
    }
    for name, call in calls.items():
        message = message_of(pickle.dumps({"data": call}, protocol=protocol))
        assert f".{name}', which" in message
        assert "can run any code" in message
    assert not made.exists()


# Written by hand: `os.system` by the other opcodes that name an object.
@pytest.mark.parametrize("code", [b"(S'true'\nios\nsystem\n.", b"(cos\nsystem\nS'true'\no."])
def test_other_ways_to_a_name_are_refused(code: bytes) -> None:
    assert "asks for 'os.system'" in message_of(code)


def test_a_persistent_object_is_refused() -> None:
    assert "persistent" in message_of(b"S'name'\nQ.")


# `BUILD` sets attributes: here of each stand-in itself.
@pytest.mark.parametrize(
    "name", ["numpy\nndarray", "numpy\ndtype", "numpy.core.multiarray\n_reconstruct"]
)
def test_what_stands_in_for_numpy_cannot_be_changed(name: str) -> None:
    message_of(b"c" + name.encode() + b"\n}S'to_numpy'\nI1\nsb.")
    array = np.arange(3, dtype=np.uint8)
    read = read_plain_pickle(pickle.dumps({"a": array}, protocol=2), "a")
    np.testing.assert_array_equal(read["a"], array)


def test_arrays_of_objects_are_refused() -> None:
    array = np.array([{"a": 1}, None], dtype=object)
    assert "expected plain numbers" in message_of(pickle.dumps({"a": array}, protocol=2))
    record = np.zeros(2, dtype=[("a", "u1"), ("b", "O")])
    assert "expected plain numbers" in message_of(pickle.dumps({"a": record}, protocol=2))


def test_a_truncated_file_never_passes() -> None:
    whole = pickle.dumps({"data": np.arange(200, dtype=np.uint8), "labels": [1, 2]}, protocol=2)
    for length in range(len(whole)):
        assert f"({length:,} bytes)" in message_of(whole[:length])


def test_what_is_no_dict_is_refused() -> None:
    assert "holds a list, expected a dict" in message_of(pickle.dumps([1]))
    assert "cannot be read" in message_of(b"<html>404</html>")
