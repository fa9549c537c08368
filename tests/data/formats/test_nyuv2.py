"""The labelled file of NYU Depth V2: transposed, image by image, each process with its own."""

import multiprocessing
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_nyuv2 import COUNT, NUMBERS, rooms, write_labeled
from scipy.io import savemat

from vision.data.formats.nyuv2 import LabeledIndex, count_images, read_split
from vision.errors import DataError, ImageError


@pytest.fixture
def labeled(tmp_path: Path) -> Path:
    return write_labeled(tmp_path)


def index_of(path: Path, *, depth: str = "depths") -> LabeledIndex:
    return LabeledIndex(path=path, numbers=np.array([4, 1]), depth=depth)


def test_rows_and_columns_are_in_their_places(labeled: Path) -> None:
    images, depths, _ = rooms()
    index = index_of(labeled)
    assert count_images(labeled, "depths") == COUNT
    for place, number in enumerate((4, 1)):
        image, targets = index.load(place)
        np.testing.assert_array_equal(image.permute(1, 2, 0), images[number - 1])
        assert targets is not None
        np.testing.assert_array_equal(targets.depth, depths[number - 1])  # type: ignore[arg-type]
    assert index.images[:] == [f"{labeled}/00004.png", f"{labeled}/00001.png"]
    assert index.load(0, targets=False).targets is None
    raw = index_of(labeled, depth="rawDepths").load(1).targets
    assert raw is not None
    assert raw.depth is not None
    assert (raw.depth == 0).sum() == 12


def loaded(index: LabeledIndex) -> float:
    return float(index.load(0).image.sum())


def test_processes_open_the_file_themselves(labeled: Path) -> None:
    index = index_of(labeled)
    expected = loaded(index)  # open here before the others start
    packed = pickle.dumps(index)
    assert len(packed) < 2000
    assert loaded(pickle.loads(packed)) == expected
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(loaded, [index] * 4) == [expected] * 4


def test_the_split(labeled: Path) -> None:
    root = labeled.parent
    assert read_split(root, "train", COUNT).tolist() == [*NUMBERS["trainNdxs"]]
    assert read_split(root, "val", COUNT).tolist() == [*NUMBERS["testNdxs"]]
    with refuses(DataError, "splits.mat", "number 4", "from 1 to 3"):
        read_split(root, "val", 3)
    savemat(root / "splits.mat", {"trainNdxs": np.array([[1]])})
    with refuses(DataError, "no variable 'testNdxs'"):
        read_split(root, "val", COUNT)
    (root / "splits.mat").write_bytes(b"no file of MATLAB" * 20)
    with refuses(DataError, "splits.mat' cannot be read"):
        read_split(root, "val", COUNT)
    (root / "splits.mat").unlink()
    with refuses(DataError, "splits.mat", "train.txt", "from 1 on"):
        read_split(root, "train", COUNT)
    (root / "train.txt").write_text("2\n5\n")
    assert read_split(root, "train", COUNT).tolist() == [2, 5]
    for text in ("2\nx\n", "0\n", "3\n3\n", ""):
        (root / "train.txt").write_text(text)
        with refuses(DataError, "train.txt", "from 1 to 6"):
            read_split(root, "train", COUNT)


def test_another_kind_of_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    savemat(path, {"images": np.zeros((2, 2, 3, 1), np.uint8)})
    with refuses(DataError, str(path), "MATLAB 5.0", "MATLAB 7.3", "-v7.3"):
        count_images(path, "depths")
    path.write_bytes(b"<html>Not found</html>" * 40)
    with refuses(DataError, "begins with b'<html>Not fo'", "MATLAB 7.3"):
        count_images(path, "depths")
    with refuses(DataError, "there is no labelled set"):
        count_images(tmp_path / "other.mat", "depths")


def test_a_download_that_was_cut(labeled: Path) -> None:
    content = labeled.read_bytes()
    for share in (0.3, 0.97):
        cut = labeled.parent / f"{share}.mat"
        cut.write_bytes(content[: int(share * len(content))])
        with refuses(ImageError, str(cut), "truncated", "download it again"):
            count_images(cut, "depths")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"depths": None}, ("no variable 'depths'", "images, rawDepths")),
        ({"depths": np.zeros((6, 24, 32), np.float32)}, ("(6, 3, 32, 24)", "(6, 24, 32)")),
        ({"depths": np.zeros((6, 32, 24), np.uint16)}, ("uint16", "floats in metres")),
        ({"images": np.zeros((6, 32, 24), np.uint8)}, ("(6, 32, 24)", "(N, 3, width, height)")),
    ],
)
def test_other_variables_are_told(change: dict, parts: tuple[str, ...], labeled: Path) -> None:
    with h5py.File(labeled, "r+") as file:
        for name, value in change.items():
            del file[name]
            if value is not None:
                file[name] = value
    with refuses(DataError, str(labeled), *parts):
        count_images(labeled, "depths")
