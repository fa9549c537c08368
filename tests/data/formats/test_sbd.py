from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_segmentation_sets import cells, write_mat, write_sbd
from scipy.io import savemat
from torchvision.datasets import SBDataset

from vision.data.formats.sbd import read_sbd_mask, read_sbd_names, sbd_folder
from vision.errors import DataError, ImageError


def test_torchvision_reads_the_same(tmp_path: Path) -> None:
    write_sbd(tmp_path / "benchmark_RELEASE" / "dataset")
    folder = sbd_folder(tmp_path)
    assert folder == tmp_path / "benchmark_RELEASE" / "dataset"
    assert sbd_folder(folder) == folder
    names = []
    for split in ("train", "val"):
        reference = SBDataset(str(folder), image_set=split, mode="segmentation")
        for number, (_, mask) in enumerate(reference):
            names.append(Path(reference.masks[number]).stem)
            labels = read_sbd_mask(folder / "cls" / f"{names[-1]}.mat")
            assert labels.dtype == np.uint8
            np.testing.assert_array_equal(labels, np.asarray(mask))
    assert read_sbd_names(folder) == names


@pytest.mark.parametrize(
    "content",
    [
        {"LabelMap": np.zeros((2, 2), np.uint8)},
        {"GTcls": {"Boundaries": np.zeros((2, 2), np.uint8)}},
        {"GTcls": np.zeros((2, 2), np.uint8)},
        {"GTcls": {"Segmentation": np.zeros((2, 2))}},
        {"GTcls": {"Segmentation": np.zeros((2, 2, 3), np.uint8)}},
        {"GTcls": {"Segmentation": "text"}},
    ],
)
def test_a_file_with_something_else_is_told(tmp_path: Path, content: dict[str, object]) -> None:
    savemat(tmp_path / "a.mat", content)
    with refuses(ImageError, "a.mat", "SBD"):
        read_sbd_mask(tmp_path / "a.mat")


def test_damaged_and_absent_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "b.mat"
    write_mat(path, cells(range(21), 0, (120, 160)))
    content = path.read_bytes()
    for part in (b"", b"text", content[:100], content[: len(content) // 2], content[:-3]):
        path.write_bytes(part)
        with refuses(ImageError, "b.mat", "SBD"):
            read_sbd_mask(path)
    # As MATLAB's version 7.3 begins, which is HDF5.
    path.write_bytes(content[:124] + b"\x00\x02IM" + content[128:])
    with refuses(ImageError, "b.mat", "SBD"):
        read_sbd_mask(path)
    with pytest.raises(ImageError, match=r"absent\.mat"):
        read_sbd_mask(tmp_path / "absent.mat")


def test_absent_folders_and_lists_are_told(tmp_path: Path) -> None:
    with refuses(DataError, "'cls'", "SBD"):
        sbd_folder(tmp_path)
    (tmp_path / "cls").mkdir()
    with refuses(DataError, "images", "train.txt"):
        read_sbd_names(sbd_folder(tmp_path))


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("2008_000002\n../../secret\n")
    (tmp_path / "val.txt").write_text("2008_000003\n")
    with refuses(DataError, "train.txt", "'../../secret'"):
        read_sbd_names(tmp_path)
