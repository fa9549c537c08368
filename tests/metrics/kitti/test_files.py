"""Folders of KITTI's text files: which belong together, and what is said if they do not."""

from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.errors import DataError
from vision.metrics.kitti.files import evaluate_kitti

CAR = "Car 0.00 0 0.00 100 100 200 200 1.5 1.6 4 0 1.6 20 0.0"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    truth, found = tmp_path / "label_2", tmp_path / "found"
    for folder, end in ((truth, ""), (found, " 0.9")):
        folder.mkdir()
        for name in ("000000", "000001", "000007"):
            (folder / f"{name}.txt").write_text(f"{CAR}{end}\n")
    (found / "000001.txt").write_text("")
    return truth, found


def test_files_of_equal_names_are_compared(folders: tuple[Path, Path]) -> None:
    scores = evaluate_kitti(*folders, classes=["Car"])
    assert scores.images == 3
    assert scores.objects.tolist() == [[3, 3, 3]]
    assert scores.curves[0, 0, 0, 0, :3].tolist() == [1, 1, 0]


def test_a_split_names_the_images(folders: tuple[Path, Path], tmp_path: Path) -> None:
    split = tmp_path / "val.txt"
    split.write_text("000000\n\n000007\n")
    (folders[1] / "000001.txt").unlink()
    assert evaluate_kitti(*folders, split=split).images == 2
    split.write_text("000000\n000001\n")
    with refuses(DataError, "1 of 2", "val.txt", "found", "000001.txt", "empty"):
        evaluate_kitti(*folders, split=split)
    split.write_text("\n")
    with refuses(DataError, "val.txt", "000001"):
        evaluate_kitti(*folders, split=split)
    split.write_text("000000\n")
    with refuses(DataError, "no folder", "nowhere"):
        evaluate_kitti(folders[0], tmp_path / "nowhere", split=split)


def test_an_image_without_a_file_is_named(folders: tuple[Path, Path]) -> None:
    (folders[1] / "000007.txt").unlink()
    with refuses(DataError, "1 of 3", "000007.txt", "predict those too"):
        evaluate_kitti(*folders)


def test_a_wrong_line_is_named(folders: tuple[Path, Path]) -> None:
    (folders[1] / "000007.txt").write_text(f"{CAR} 0.9\n{CAR}\n")
    with refuses(DataError, "000007.txt", "line 2", "15 fields, expected 16", "score"):
        evaluate_kitti(*folders)
