from pathlib import Path

import numpy as np
from helpers.refusals import refuses
from helpers.tiny_masks import class_map, write_mask, write_mask_folder

from vision.contracts.segmentation import IGNORED
from vision.data.check.problems import ImageFiles
from vision.data.check.segmentation_problems import (
    CheckedPairs,
    describe_scan,
    scan_masks,
    unique_pairs,
)
from vision.data.classes.label_tables import ColorTable, LabelTable
from vision.data.files.finding import PathList
from vision.data.index.segmentation import SegmentationIndex
from vision.errors import DataError, ImageError

TABLE, NAMES = LabelTable.classes(3), ("a", "b", "c")


def index_of(root: Path, numbers: range) -> SegmentationIndex:
    return SegmentationIndex(
        images=PathList(f"{root}/images/train/{i}.png" for i in numbers),
        masks=PathList(f"{root}/masks/train/{i}.png" for i in numbers),
    )


def test_a_few_masks_are_looked_at_from_end_to_end(tmp_path: Path) -> None:
    for i in range(0, 40, 13):  # no others are there
        write_mask(tmp_path / "masks" / "train" / f"{i}.png", class_map(i))
    scan = scan_masks(index_of(tmp_path, range(40)), TABLE, maximum=4)
    maps = np.stack([class_map(i) for i in range(0, 40, 13)])
    assert scan.masks == 4
    assert scan.counts.tolist() == [(maps == label).sum() for label in range(3)]
    assert scan.ignored == (maps == IGNORED).sum()
    assert scan.values == (0, 1, 2, 255)
    assert scan.path.endswith("39.png")


def test_a_wrong_value_ends_the_look_but_a_broken_file_does_not(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path)
    (root / "masks" / "train" / "0.png").write_bytes(b"")
    assert scan_masks(index_of(root, range(4)), TABLE).masks == 3
    with refuses(DataError, "1.png", "2"):
        scan_masks(index_of(root, range(4)), LabelTable.classes(2))
    assert scan_masks(SegmentationIndex(images=PathList(["a.png"])), TABLE).masks == 0


def test_what_is_seen_is_told_in_one_line(tmp_path: Path) -> None:
    labels = np.array([[0] * 6 + [2] * 3 + [IGNORED]], dtype=np.uint8)
    write_mask(tmp_path / "masks" / "train" / "0.png", labels)
    scan = scan_masks(index_of(tmp_path, range(1)), TABLE)
    assert describe_scan(scan, "as they are", ("a", "b", "c")) == (
        "masks: as they are; in 1 of them: a 60.0%, c 30.0%, ignored 10.0%, 1 class absent"
    )
    many = LabelTable.classes(20)
    write_mask(tmp_path / "masks" / "train" / "0.png", np.arange(20, dtype=np.uint8)[None])
    scan = scan_masks(index_of(tmp_path, range(1)), many)
    assert scan.value_text() == "0, 1, 2, 3, 4, 5, 6, 7, ..."
    text = describe_scan(scan, "as they are", tuple("abcdefghijklmnopqrst"))
    assert text.endswith("h 5.0%, 12 more classes, ignored 0.0%")
    write_mask(tmp_path / "masks" / "train" / "0.png", labels * 0, coding="rgb")
    colours = scan_masks(index_of(tmp_path, range(1)), ColorTable([(40, 120, 60)]))
    assert colours.value_text() == "colours"


def test_pairs_come_once(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path)
    bare = SegmentationIndex(images=index_of(root, range(4)).images)
    indices = {"test": bare, "train": index_of(root, range(2)), "val": index_of(root, range(1, 3))}
    parts = [*unique_pairs(indices, TABLE, NAMES)]
    assert [type(part) for part in parts] == [CheckedPairs, CheckedPairs, ImageFiles]
    assert [len(part) for part in parts] == [2, 1, 1]  # type: ignore[arg-type]
    for part in parts:
        for place in range(len(part)):  # type: ignore[arg-type]
            assert part[place] is None or part[place].dtype == bool
    bare_parts = unique_pairs({"train": index_of(root, range(2))}, None, ())
    assert all(type(part) is ImageFiles for part in bare_parts)


def test_a_class_that_occurs_in_no_mask_is_worth_a_remark(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path)
    for i in range(2):
        write_mask(root / "masks" / "train" / f"{i}.png", np.full((40, 56), 2 * i, dtype=np.uint8))
    pairs = CheckedPairs(index_of(root, range(2)), TABLE, "train", NAMES)
    pairs.collect([pairs[0]])
    assert pairs.remarks() == ["train: no pixel of any mask has the class 'b', 'c'."]
    pairs.collect([pairs[1]])
    assert pairs.remarks() == ["train: no pixel of any mask has the class 'b'."]


def test_both_files_of_a_pair_are_looked_at(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path)
    pairs = CheckedPairs(index_of(root, range(4)), TABLE, "train", NAMES)
    (root / "images" / "train" / "0.png").write_bytes(b"hm")
    with refuses(ImageError, "'", "images/train/0.png' is not an image"):
        pairs[0]
    write_mask(root / "masks" / "train" / "0.png", np.full((40, 56), 9, dtype=np.uint8))
    with refuses(ImageError, "image", "mask", "9"):
        pairs[0]
