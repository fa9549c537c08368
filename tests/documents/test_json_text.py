import json
from pathlib import Path
from typing import Any

import pytest
from helpers.refusals import refuses

from vision.documents.json_text import parse_json, read_json
from vision.errors import ConfigError, DataError

FAULTS = {
    "empty": (b" \n", r"is empty \(2 bytes\)"),
    "cut in an object": (b'{"a": 1', "ends in the middle .*line 1, byte 7 of 7"),
    "cut in a text": (b'{"a": "x', "looks cut off"),
    "no JSON": (b"hello", "not valid JSON: Expecting value at line 1, byte 0 of 5"),
    "second document": (b'{"a": 1}\n{"a": 2}', "Extra data at line 2"),
    "trailing comma": (b'{"a": 1,}', "not valid JSON"),
    "page": (b"<html>", "web page"),
    "XML": (b"<?xml ?>", "web page or XML, not JSON"),
    "NaN": (b'{"NaN": NaN}', "NaN is not a number that JSON has at line 1, byte 8"),
    "infinity": (b"[-Infinity]", "-Infinity is not a number"),
    "float of 400 digits": (b"[1" + b"0" * 400 + b".0]", "is larger than any float"),
    "exponent": (b"[0,\n-1e999]", "the number -1e999 is larger than any float at line 2"),
    "integer of 400 digits": (b"[1" + b"0" * 400 + b"]", "a number has 401 digits"),
    "integer of 5,000 digits": (b"[" + b"9" * 5000 + b"]", "a number has 5,000 digits"),
    "65 bits": (b"[18446744073709551616]", "64 bits do not hold it"),
    "nested": (b"[" * 101 + b"]" * 101, "nested too deeply"),
    "nested beyond the parser": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
    "two equal keys": (b'{"a": {"b": 1, "b": 2}}', "has the key 'b' twice"),
    "first half": (rb'["\ud83d"]', "lone surrogate"),
    "second half": (rb'["\ude00 \ud83d\ude00"]', "lone surrogate"),
    "NUL": (b'["\0"]', "Invalid control character"),
    "UTF-16": ("[1]".encode("utf-16"), "UTF-16"),
    "Latin-1": (b'["\xe4"]', "not UTF-8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_an_error_of_the_wanted_class(fault: str) -> None:
    data, message = FAULTS[fault]
    with pytest.raises(ConfigError, match=f"^file 'a.json' .*{message}") as caught:
        parse_json(data, "file 'a.json'", error=ConfigError)
    assert len(str(caught.value)) < 400


def test_in_bulk_too_every_fault_is_an_error() -> None:
    known = {"float of 400 digits", "exponent", "integer of 400 digits", "65 bits"}
    known |= {"nested", "two equal keys"}  # left to the caller
    for fault in FAULTS.keys() - known:
        with pytest.raises(DataError, match=r"a\.json"):
            parse_json(FAULTS[fault][0], "file 'a.json'", bulk=True)
    for fault in known:
        parse_json(FAULTS[fault][0], "file 'a.json'", bulk=True)


@pytest.mark.parametrize(
    "value",
    [
        [1, -1.5e-300, 2**64 - 1, -(2**63), True, None],
        {"ä": "\\ud83d", "😀": {"empty": []}},
        "text",
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_json_holds_is_read(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json("\ufeff".encode() + text.encode(), "a") == value
    assert parse_json(text, "a", bulk=True) == value


def test_numbers_that_are_not_finite_by_option() -> None:
    assert parse_json("[Infinity, 1e999]", "a", finite=False) == [float("inf")] * 2


def test_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1,")
    with refuses(DataError, "sidecar", "a.json", "JSON"):
        read_json(tmp_path / "a.json", what="sidecar")
    (tmp_path / "a.json").write_text("[1]")
    assert read_json(tmp_path / "a.json") == [1]
