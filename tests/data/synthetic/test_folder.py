"""The folder of a composed dataset is replaced whole, and only if it is one."""

from pathlib import Path

import pytest

from vision.data.synthetic.folder import replace_folder
from vision.errors import DataError


def make(root: Path, text: str) -> None:
    with replace_folder(root, {"seed": 0}) as folder:
        (folder / "images").mkdir()
        (folder / "images" / "a.txt").write_text(text)


def test_a_folder_is_made_and_replaced(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    for text in ("first", "second"):
        make(root, text)
        assert (root / "images" / "a.txt").read_text() == text
        assert sorted(path.name for path in root.iterdir()) == ["images", "samples.json"]
    assert [path.name for path in root.parent.iterdir()] == ["root"]
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty", "third")
    assert (tmp_path / "empty" / "images" / "a.txt").read_text() == "third"


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(root, "first")

    def fail() -> None:
        with replace_folder(root, {}) as folder:
            (folder / "half").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (root / "images" / "a.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    own = tmp_path / "own"
    make(own, "first")
    (own / "notes.txt").write_text("mine")
    file = tmp_path / "file"
    file.write_text("mine")
    for root, message in (
        (other, "other' is not a folder that was made by `.*vision make-samples`"),
        (own, r"has not made \(notes.txt\)"),
        (file, "file' is a file"),
    ):
        with pytest.raises(DataError, match=message):
            make(root, "lost")
    assert (other / "thesis.txt").read_text() == "mine"
    assert (own / "images" / "a.txt").read_text() == "first"
    assert file.read_text() == "mine"
