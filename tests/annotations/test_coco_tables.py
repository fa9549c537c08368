import gc
import json
from pathlib import Path

import pytest

from vision.annotations.coco_tables import collector_paused, read_tables
from vision.errors import DataError

PATH = Path("instances.json")
WHOLE = json.dumps(
    {"images": [{"id": 1, "file_name": "ä.jpg"}], "annotations": [], "categories": []},
    ensure_ascii=False,
    indent=1,
).encode()


def test_the_lists_are_read() -> None:
    tables = read_tables(WHOLE, PATH)
    assert tables.images == [{"id": 1, "file_name": "ä.jpg"}]
    assert tables.annotations == []
    assert read_tables(b'\xef\xbb\xbf{"images": []}', PATH).annotations is None


def test_a_file_that_is_cut_off_anywhere_is_told() -> None:
    for length in range(1, len(WHOLE)):
        with pytest.raises(DataError, match=r"instances\.json") as caught:
            read_tables(WHOLE[:length], PATH)
        message = str(caught.value)
        if b"\xc3" not in WHOLE[length - 1 : length]:  # within a character
            assert "looks cut off" in message
            assert f"of {length:,}" in message
            assert "line " in message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"<!doctype html><html>", "is a web page"),
        (b"PK\x03\x04...", "ZIP archive"),
        (b"\x1f\x8b...", "gzip archive"),
        (b'{"images": [\xff]}', "not UTF-8 text: byte 12 .* is 0xff"),
        (b'{"images": [1,,2]}', r"Expecting value at line 1, byte 14 of 18: .*1,,2"),
        (b"[" * 100_000, "cut off|nested too deeply"),
        (b"[]", "holds a list"),
        (b'[{"image_id": 1, "score": 0.5}]', "a file of predictions"),
        (b"3", "holds a single value"),
        (b'{"annotations": []}', r"has no 'images' \(it has \['annotations'\]\)"),
        (b'{"images": {"id": 1}}', r"'images' in 'instances.json' is \{'id': 1\}, not a list"),
        (b'{"images": [], "categories": null}', "'categories' in .* is None, not a list"),
    ],
)
def test_what_is_no_coco_file_is_told(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tables(data, PATH)


def test_the_collector_is_paused_and_started_again() -> None:
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    with collector_paused():
        with collector_paused():
            pass
        assert not gc.isenabled()
