"""Files that are whole, or as they were before."""

from pathlib import Path

import pytest

from vision.callbacks.files import replace_file


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
