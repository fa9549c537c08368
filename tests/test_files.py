"""Files that are whole, or as they were before."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from vision.files import fit_name, replace_file, sha256_of, write_text


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


def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'é' * 125}.json"
    write_text(path, "a\udce9")
    assert path.read_text() == "a\\udce9"
    assert list(tmp_path.iterdir()) == [path]


def test_longer_names_are_cut_and_stay_different() -> None:
    names = [fit_name(f"folder/{'x' * 300}{i}.png", room=4) for i in range(2)]
    assert names[0] != names[1]
    assert all(len(name.rpartition("/")[2]) == 251 and name.endswith(".png") for name in names)
    assert fit_name("folder/short.png", room=4) == "folder/short.png"


def test_a_file_has_the_usual_mode_even_if_a_library_makes_it_private(tmp_path: Path) -> None:
    def write_privately(place: Path) -> None:
        place.touch(mode=0o600)

    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", write_privately)
        (tmp_path / "b").touch()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "b")}
    assert modes == {0o640}
