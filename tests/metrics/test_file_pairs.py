from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.errors import DataError
from vision.metrics.file_pairs import FilePair, find_files, pair_files, read_ahead

NAMES = ["a/x.png", "a/y.png", "b/x.png", "z.png", "b/c/q.v2.png"]


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Annotations and predictions."""
    for name in NAMES:
        write(tmp_path / "true" / name)
        write(tmp_path / "found" / name)
    return tmp_path / "true", tmp_path / "found"


def test_files_pair_by_their_paths(folders: tuple[Path, Path]) -> None:
    pairs = pair_files(*folders)
    assert pairs == [FilePair(*(folder / name for folder in folders)) for name in sorted(NAMES)]


def test_suffixes_choose_files_and_are_not_compared(tmp_path: Path) -> None:
    for end in ("gtFine_labelTrainIds", "gtFine_labelIds", "gtFine_color"):
        write(tmp_path / f"true/ulm/ulm_0_{end}.png")
    write(tmp_path / "found/ulm/ulm_0_leftImg8bit.png")
    (tmp_path / "found/ulm/ulm_0_leftImg8bit.txt").touch()
    (tmp_path / "found/ulm/._ulm_0_leftImg8bit.png").touch()
    [pair] = pair_files(
        tmp_path / "true",
        tmp_path / "found",
        annotation_suffix="_gtFine_labelTrainIds",
        prediction_suffix="_leftImg8bit",
    )
    assert pair.annotation.name == "ulm_0_gtFine_labelTrainIds.png"
    assert pair.prediction.name == "ulm_0_leftImg8bit.png"


def test_linked_folders_are_looked_into(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/a").symlink_to(folders[0] / "a", target_is_directory=True)
    assert list(find_files(tmp_path / "links")) == ["a/x", "a/y"]


def test_a_missing_prediction_is_named(folders: tuple[Path, Path]) -> None:
    for name in NAMES[:4]:
        (folders[1] / name).unlink()
    with refuses(DataError, "4", "5 annotations", "'a/x.png'", "'a/y.png'", "'b/x.png'"):
        pair_files(*folders)


def test_a_prediction_too_many_is_named(folders: tuple[Path, Path]) -> None:
    (folders[0] / "b/x.png").unlink()
    with refuses(DataError, "1", "5 predictions", "annotation", "'b/x.png'"):
        pair_files(*folders)


def test_folders_that_do_not_serve_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with refuses(DataError, "folder", "absent"):
        pair_files(folders[0], tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with refuses(DataError, "empty", "*.png"):
        pair_files(tmp_path / "empty", folders[1])
    with refuses(DataError, "file", "*_ids.png"):
        pair_files(*folders, annotation_suffix="_ids")


def test_files_of_a_pair_may_differ_in_their_extension(folders: tuple[Path, Path]) -> None:
    (folders[1] / "z.png").rename(folders[1] / "z.npy")
    with refuses(DataError, "1 of 5 annotations", "'z.png'"):
        pair_files(*folders)
    pairs = pair_files(*folders, extensions=(".png", ".npy"))
    assert pairs[-1] == FilePair(folders[0] / "z.png", folders[1] / "z.npy")
    write(folders[1] / "z.png")
    with refuses(DataError, "found/z.npy", "found/z.png", "remove one"):
        pair_files(*folders, extensions=(".png", ".npy"))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_items_are_read_in_order_and_little_ahead(workers: int) -> None:
    begun = []

    def read(item: int) -> int:
        begun.append(item)
        return -item

    for count, value in enumerate(read_ahead(read, range(50), workers)):
        assert value == -count
        assert len(begun) <= count + 1 + 2 * workers
    assert count == 49
