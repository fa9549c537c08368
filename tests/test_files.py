"""Files that are whole, or as they were before."""

import hashlib
from pathlib import Path

import pytest

from vision.files import replace_file, sha256_of


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    replace_file(path, lambda place: place.write_text("before"))

    def half(place: Path) -> None:
        place.write_text("ha")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        replace_file(path, half)
    assert path.read_text() == "before"
    assert [one.name for one in path.parent.iterdir()] == ["a.txt"]


def test_the_digest_is_that_of_the_contents(tmp_path: Path) -> None:
    contents = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(contents)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(contents).hexdigest()
