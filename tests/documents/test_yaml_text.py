import tracemalloc
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.documents.yaml_text import parse_yaml, read_yaml
from vision.errors import ConfigError, DataError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)
)
FAULTS = {
    "two equal keys": ("a: 1\nb: {c: 1, c: 2}", "line 2: 'c' is already set in line 2"),
    "itself": ("a: &a [1, *a]", "line 1: the value contains itself"),
    "laughs": (LAUGHS, "line 6: with its aliases .* more than 1,000,000 values"),
    "nested": ("[" * 101 + "]" * 101, "nested too deeply"),
    "nested beyond the parser": ("[" * 700, "nested too deeply"),
    "integer of 5,000 digits": ("a: 1\nb: " + "9" * 5000, "line 2: '9{40}' .* kind 'int'"),
    "integer of 20 digits": ("a: 99999999999999999999", "too large"),
    "float of 400 digits": ("a: 1" + "0" * 400 + ".0", "kind 'float', or too large"),
    "no date": ("a: 2001-99-99", "'2001-99-99' is not a value of the kind 'timestamp'"),
    "no number": ("a: !!int ''", "not a value of the kind 'int'"),
    "no truth value": ("a: !!bool x", "not a value of the kind 'bool'"),
    "object": ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
    "unhashable key": ("? [a]\n: 1", "unhashable key"),
    "unknown alias": ("a: *b", "undefined alias 'b'"),
    "two documents": ("a: 1\n---\na: 2", "line 2.* another document"),
    "NUL": ("a: \0", "special characters are not allowed"),
    "half a character": ('a: "\\ud800"', "kind 'str'"),
    "cut": ("a: {b: 1", r"not valid YAML: .*\n  a: \{b: 1"),
    "tab": ("a:\n\tb: 1", "spaces only"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_an_error_of_the_wanted_class(fault: str) -> None:
    text, message = FAULTS[fault]
    with pytest.raises(ConfigError, match=f"(?s)^config 'a.yaml'.*{message}") as caught:
        parse_yaml(text, "config 'a.yaml'", error=ConfigError)
    assert len(str(caught.value).splitlines()) <= 3


def test_aliases_of_aliases_take_no_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            parse_yaml(LAUGHS, "a")
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_plain_values_anchors_and_merges_are_read() -> None:
    text = "\ufeffbase: &b {x: 1, y: .inf}\nc:\n  <<: *b\n  x: 2\nd: [*b, *b]\ne: ~\n"
    base = {"x": 1, "y": float("inf")}
    expected = {"base": base, "c": {"x": 2, "y": float("inf")}, "d": [base, base], "e": None}
    assert parse_yaml(text, "a") == expected
    assert parse_yaml("", "a") is None


def test_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    with refuses(DataError, "config", "a.yaml", "1"):
        read_yaml(tmp_path / "a.yaml", what="config")
