import re
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.documents.text import decode_text, read_lines, read_text
from vision.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04", ("file", "'a'", "ZIP", "archive")),
        (b"\x1f\x8b\x08", ("gzip archive",)),
        (b"\x89PNG\r\n", ("PNG image",)),
        ("text".encode("utf-16"), ("UTF-16", "UTF-8")),
        ("text".encode("utf-16-le"), ("UTF-16", "UTF-32")),
        ("text".encode("utf-16-be"), ("UTF-16", "UTF-32")),
        ("text".encode("utf-32"), ("UTF-32", "UTF-8")),
        (b"\n <!DOCTYPE HTML>", ("is a web page",)),
        (b"one\ntw\xf6", ("byte", "6", "line", "2", "0")),
        (b"cut \xc3", ("byte", "4", "line", "1", "0", "3")),
    ],
)
def test_what_is_no_text_is_told(data: bytes, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        decode_text(data, "file 'a'", error=ConfigError)


def test_a_mark_of_utf8_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert decode_text("\ufeffä".encode(), "a") == "ä"
    (tmp_path / "a.txt").write_text("ä", encoding="utf-8")
    assert read_text(tmp_path / "a.txt") == "ä"
    with pytest.raises(DataError, match=re.escape("2 bytes or more; at most 1")):
        read_text(tmp_path / "a.txt", max_bytes=1)


def test_lines_are_stripped_and_empty_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a car\n\n  sky \r\n")
    assert read_lines(tmp_path / "names.txt") == ["a car", "sky"]
