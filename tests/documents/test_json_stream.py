import io
import json
from pathlib import Path

import pytest
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st

from vision.documents.json_stream import MAX_VALUE, JsonStream, open_json
from vision.errors import DataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


def stream(text: str | bytes, chunk: int = 3) -> JsonStream:
    data = text.encode() if isinstance(text, str) else text
    return JsonStream(io.BytesIO(data), name="'a.json'", chunk=chunk)  # type: ignore[arg-type]


@examples(20)
@given(
    st.lists(VALUES),
    st.dictionaries(st.text(), VALUES),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.integers(1, 40),
)
def test_what_python_writes_is_read_back(
    entries: list[object], pairs: dict[str, object], indent: int | None, ascii_: bool, chunk: int
) -> None:
    text = json.dumps({"list": entries, "more": pairs}, indent=indent, ensure_ascii=ascii_)
    found = stream(f"\ufeff {text}\n".encode(errors="surrogatepass"), chunk)
    keys = found.entries()
    assert next(keys) == "list"
    assert list(found.items()) == entries
    assert next(keys) == "more"
    assert {key: found.value() for key in found.entries()} == pairs
    assert list(keys) == []
    found.finish()


def test_numbers_are_not_cut_where_a_part_ends() -> None:
    assert list(stream("[12345, -1.5e10 ,7]").items()) == [12345, -1.5e10, 7]
    assert stream("123456").value() == 123456


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["'a.json' is empty"]),
        (" \n", ["is empty"]),
        ('[{"a": 1}, {"a"', ["ends in the middle", "line 1", "cut off"]),
        ("[1, 2", ["ends in the middle"]),
        ("[1,\n2 3]", ["expected ',' or ']'", "line 2, character 7"]),
        ("[1,\n\nnone]", ["Expecting value", "line 3", "character 6", "none"]),
        ('{"a": 1}', ["expected a list", "'['"]),
        ("<html>", ["expected a list", "<html>"]),
        ("[1] 2", ["text after the end", "character 5"]),
        (b"[1, \xff]", ["UTF-8", "byte 4"]),
        ("[" * 200_000, ["nested too deeply"]),
        (f"[{'1' * 5000}]", ["a number of thousands of digits"]),
    ],
)
def test_faults_are_named_with_their_place(text: str | bytes, parts: list[str]) -> None:
    with refuses(DataError, *parts):
        found = stream(text, chunk=100)
        list(found.items())
        found.finish()


def test_keys_need_quotes_and_a_colon() -> None:
    for text, part in (("{1: 2}", "double quotes"), ('{"a" 1}', "':'"), ("[1]", "an object")):
        with refuses(DataError, part):
            for _ in stream(text).entries():
                pass


def test_a_value_without_an_end_is_not_searched_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_VALUE > 2**20
    monkeypatch.setattr("vision.documents.json_stream.MAX_VALUE", 1000)
    with refuses(DataError, "a value without an end", "character 2"):
        list(stream('["' + "a" * 5000, chunk=100).items())


def test_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_text("[1]")
    with open_json(tmp_path / "scene.json", what="table") as found:
        assert list(found.items()) == [1]
    with (
        refuses(DataError, "no table", "scenes.json", "scene.json"),
        open_json(tmp_path / "scenes.json", what="table"),
    ):
        pass
