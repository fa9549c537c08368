from pathlib import Path

import numpy as np
import pytest
from helpers import mmseg_datasets
from helpers.refusals import refuses
from helpers.tiny_segmentation_sets import ADE20K_ROWS, write_ade20k

from vision.data.classes.ade20k import read_class_names
from vision.documents.class_table import class_table
from vision.errors import DataError

TABLE = class_table("ade20k")

HEAD = "Idx\tRatio\tTrain\tVal\tName\n"


def test_names_and_colours_are_those_of_mmsegmentation() -> None:
    reference = mmseg_datasets.load().ADE20KDataset.METAINFO
    assert tuple(name.strip() for name in reference["classes"]) == TABLE.classes
    np.testing.assert_array_equal(TABLE.colors, reference["palette"])
    assert len({*TABLE.classes}) == len(TABLE.colors) == 150


def test_the_table_of_a_dataset(tmp_path: Path) -> None:
    path = write_ade20k(tmp_path, rows=ADE20K_ROWS) / "objectInfo150.txt"
    assert read_class_names(path) == ("wall", "building", "sky", "tree", "car", "bed")


def test_a_table_as_it_is_published(tmp_path: Path) -> None:
    # Without `Stuff`, with spaces after some numbers and names, as in the development kit; with the
    # line ends of Windows, and a mark of the byte order.
    path = tmp_path / "objectInfo150.txt"
    rows = ["1\t0.1576\t11664\t1172\twall", "2 \t0.0074\t709\t75\tbed ", "3\t0\t0\t0\ta, b", ""]
    path.write_bytes(("\ufeff" + HEAD + "\n".join(rows)).replace("\n", "\r\n").encode())
    assert read_class_names(path) == ("wall", "bed", "a")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "columns of an empty file; expected Idx and Name"),
        ("Idx,Name\n1,wall\n", "columns Idx,Name; expected Idx and Name"),
        (HEAD, "0 classes, expected 1 to 255"),
        (HEAD + "1\t0\t0\t0\twall\n3\t0\t0\t0\tsky\n", "line 3: Idx is '3', expected 2"),
        (HEAD + "1\t0\t0\n", "line 2: 3 columns"),
        (HEAD + "1\t0\t0\t0\t ,x\n", "line 2: no name"),
        (HEAD + "1\t0\t0\t0\ta\n2\t0\t0\t0\ta, b\n", "line 3: 'a' is the name of class 1 as well"),
        (
            HEAD + "".join(f"{i}\t0\t0\t0\tc{i}\n" for i in range(1, 257)),
            "256 classes, expected 1 to 255",
        ),
    ],
)
def test_a_wrong_table_is_told(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "info.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_class_names(path)
    assert part in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "info.txt").write_bytes(b"\xff\xfe\x00")
    with refuses(DataError, "info.txt", "UTF-16"):
        read_class_names(tmp_path / "info.txt")
    with refuses(DataError, "classes", "absent.txt"):
        read_class_names(tmp_path / "absent.txt")
