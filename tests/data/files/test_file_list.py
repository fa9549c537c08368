"""Lists of images in CSV files, for one class per image and for several."""

from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.data.files.file_list import FileList
from vision.errors import DataError

IMAGES = ("a.png", "b.png", "deep/c.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in IMAGES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def read(root: Path, text: str, *, multi_label: bool = False) -> FileList:
    path = root / "list.csv"
    path.write_text(text)
    return FileList(path, root, multi_label=multi_label)


def test_one_class_per_image(root: Path) -> None:
    found = read(root, "label,path\ndog,a.png\ncat,deep/c.png\n")
    assert found.class_names == ("cat", "dog")
    files = found.files("train")
    assert files is not None
    assert [*files.paths] == [str(root / "a.png"), str(root / "deep/c.png")]
    assert files.labels.tolist() == [1, 0]
    assert not found.has_splits
    assert found.files("val") is None


def test_splits_under_each_of_their_names(root: Path) -> None:
    found = read(root, "path,label,split\na.png,x,Train\nb.png,x,validation\ndeep/c.png,y,test\n")
    assert [len(found.files(split).paths) for split in ("train", "val", "test")] == [1, 1, 1]  # type: ignore[union-attr]
    assert found.files("test").labels.tolist() == [1]  # type: ignore[union-attr]


def test_numbers_are_ordered_by_value(root: Path) -> None:
    found = read(root, "path,label\na.png,10\nb.png,9\ndeep/c.png,2\n")
    assert found.class_names == ("2", "9", "10")


def test_several_classes_in_a_cell_or_in_rows(root: Path) -> None:
    text = "path,label\na.png,dog; cat\nb.png,\ndeep/c.png,dog\ndeep/c.png,eel\n"
    files = read(root, text, multi_label=True).files("train")
    assert files is not None
    assert files.labels.tolist() == [
        [True, True, False],
        [False, False, False],
        [False, True, True],
    ]
    assert len(files.paths) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,class\na.png,x\n", ("no column 'label'", "'class'")),
        ("path,label\n", ("no rows",)),
        ("path,label\na.png,\n", ("row 1", "'a.png'", "no label")),
        ("path,label\n,x\n", ("row 1", "'path' is empty")),
        ("path,label\na.png,x\na.png,y\n", ("row 2", "'a.png'", "twice")),
        ("path,label,split\na.png,x,tran\n", ("row 1", "'tran'", "Did you mean 'train'")),
        ("path,label\nd.png,x\na.png,x\n", ("1 of 2 images", "d.png", "data.root")),
    ],
)
def test_what_is_wrong_is_named(root: Path, text: str, said: tuple[str, ...]) -> None:
    with refuses(DataError, "list.csv", *said):
        read(root, text)


def test_a_row_of_another_split_is_refused(root: Path) -> None:
    text = "path,label,split\na.png,x,train\na.png,y,val\n"
    with refuses(DataError, "row 2", "twice"):
        read(root, text, multi_label=True)
    with refuses(DataError, "every cell of 'label' is empty"):
        read(root, "path,label\na.png,\n", multi_label=True)
