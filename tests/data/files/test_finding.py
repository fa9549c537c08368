import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st

from vision.data.files.finding import (
    PathList,
    find_images,
    list_folders,
    read_bytes,
    require_folder,
)
from vision.errors import DataError


# A lone surrogate cannot be in the name of a file.
@given(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))), st.data()
)
@examples()
def test_a_path_list_is_the_list(paths: list[str], data: st.DataObject) -> None:
    kept = PathList(paths)
    assert len(kept) == len(paths)
    assert list(kept) == paths
    assert kept[1:] == paths[1:]
    assert list(pickle.loads(pickle.dumps(kept))) == paths
    index = data.draw(st.integers(-len(paths) - 2, len(paths) + 2))
    try:
        expected = paths[index]
    except IndexError:
        with pytest.raises(IndexError):
            _ = kept[index]
    else:
        assert kept[index] == expected


def test_a_path_list_is_made_of_its_arrays_again() -> None:
    kept = PathList(["a/b", "", "ü"])
    encoded, offsets = kept.arrays()
    assert (encoded.dtype, offsets.dtype) == (np.uint8, np.int64)
    assert list(PathList.from_arrays(encoded, offsets)) == list(kept)


def test_some_paths_of_a_list_are_a_list() -> None:
    kept = PathList(["a", "b", "c", "d"]).take(np.array([3, 0]))
    assert isinstance(kept, PathList)
    assert list(kept) == ["d", "a"]


def test_an_absent_annotation_file_is_told_with_the_nearest(tmp_path: Path) -> None:
    touch(tmp_path, "instances.json", "instances.txt")
    assert read_bytes(tmp_path / "instances.json") == b""
    with refuses(DataError, "annotation", "'instances.json'"):
        read_bytes(tmp_path / "instance.json")
    with refuses(DataError, "annotation", "file"):
        read_bytes(tmp_path / "nowhere" / "instances.json")
    with refuses(DataError, "folder", "regular", "file"):
        read_bytes(tmp_path)


def test_names_that_are_not_unicode_survive() -> None:
    name = os.fsdecode(b"caf\xe9.png")
    assert PathList([name])[0] == name


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_images_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/z.JPG", "a/deep/er/y.tiff", "c.webp")
    names = [os.path.relpath(path, tmp_path) for path in find_images(tmp_path)]
    assert names == ["a/deep/er/y.tiff", "a/z.JPG", "b.png", "c.webp"]


def test_other_files_are_counted_and_hidden_ones_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "notes.txt", "sub/x.TXT", "README", "._a.png", ".cache/b.png")
    ignored = Counter[str]()
    assert find_images(tmp_path, ignored) == [str(tmp_path / "a.png")]
    assert ignored == {".txt": 2, "no suffix": 1}


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/b.png", "set/a.png")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "circle").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "broken").symlink_to(tmp_path / "nowhere")
    found = find_images(tmp_path / "set")
    assert [os.path.relpath(path, tmp_path) for path in found] == ["set/a.png", "set/linked/b.png"]


def test_two_folders_that_link_to_each_other_are_searched_once_each(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")
    found = [os.path.relpath(path, tmp_path) for path in find_images(tmp_path)]
    assert found == ["a/1.png", "a/to_b/2.png", "b/2.png", "b/to_a/1.png"]


def test_many_folders_that_link_to_each_other_are_refused(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / str(i)).mkdir()
        for k in range(12):
            (tmp_path / str(i) / f"to_{k}").symlink_to(f"../{k}")
    with refuses(DataError, "5 links", "folders"):
        find_images(tmp_path)


def test_links_to_themselves_and_what_is_no_file_are_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("a.png")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "b.png")
    assert find_images(tmp_path) == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert list_folders(tmp_path) == []


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "loop"])
def test_a_path_that_can_be_no_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match=r"Expected ROOT\.$"):
        require_folder(tmp_path / name, "Expected ROOT.")
    with refuses(DataError, "list", "folder"):
        find_images(tmp_path / name)


def test_folders_are_listed_without_files_and_hidden_ones(tmp_path: Path) -> None:
    touch(tmp_path, "b/x.png", "a/x.png", ".git/x.png", "file.txt")
    assert list_folders(tmp_path) == ["a", "b"]


def test_listing_what_is_no_folder_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path / "gone")):
        list_folders(tmp_path / "gone")


def test_an_absent_folder_is_traced_to_its_nearest_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imagenette").mkdir()
    (tmp_path / "unlike").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        require_folder(Path("imagenete/full/size"), "Expected this tree.")
    message = str(caught.value)
    assert f"no folder '{tmp_path}/imagenete/full/size'" in message
    assert f"'{tmp_path}' has no 'imagenete'. Did you mean 'imagenette'?" in message
    assert "unlike" not in message
    assert message.endswith("Expected this tree.")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    touch(tmp_path, "set.zip")
    with refuses(DataError, "set.zip", "folder"):
        require_folder(tmp_path / "set.zip", "")
    require_folder(tmp_path, "")
