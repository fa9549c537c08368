"""Files of a subject: found by name and order, and refused with what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_volumes import LPS, SHAPE, tumour, write_brats, write_nifti

from vision.data.classes.volume_labels import VolumeLabels
from vision.data.formats.subjects import SubjectFiles, common_name, find_subject, read_subject
from vision.errors import DataError
from vision.ops.volume_grids import nearest_cells

MODALITIES = ("flair", "t1ce", "t1", "t2")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_brats(tmp_path_factory.mktemp("subjects"), subjects=1)


@pytest.mark.parametrize("year", [2021, 2023])
def test_a_folder_gives_its_modalities_in_order(year: int, tmp_path: Path) -> None:
    folder = next(write_brats(tmp_path, subjects=1, year=year).iterdir())
    found = find_subject(folder, MODALITIES)
    assert found.name == folder.name
    assert found.mask is None
    stored = read_subject(found, MODALITIES)
    np.testing.assert_array_equal(stored.volume.values, tumour(0)[0])
    assert stored.volume.mask is None
    assert stored.header.shape == SHAPE


def test_a_list_is_ordered_by_its_names_or_taken_as_it_is(root: Path, tmp_path: Path) -> None:
    folder = root / "BraTS2021_00000"
    files = [str(folder / f"BraTS2021_00000_{name}.nii.gz") for name in reversed(MODALITIES)]
    assert find_subject(files, MODALITIES) == ("BraTS2021_00000", tuple(files[::-1]), None)
    plain = [str(tmp_path / f"{name}.nii") for name in "cadb"]
    assert find_subject(plain, MODALITIES).files == tuple(plain)
    numbered = [f"scan_000{number}.nii.gz" for number in range(4)]
    assert find_subject(numbered, MODALITIES) == ("scan", tuple(numbered), None)


def test_one_file_of_several_volumes_is_a_subject(tmp_path: Path) -> None:
    values, _ = tumour(0)
    path = write_nifti(tmp_path / "head.nii.gz", np.moveaxis(values, 0, 3))
    found = find_subject(path, MODALITIES)
    assert found.name == "head"
    np.testing.assert_array_equal(read_subject(found, MODALITIES).volume.values, values)
    (tmp_path / "alone").mkdir()
    write_nifti(tmp_path / "alone" / "x.nii", np.moveaxis(values, 0, 3))
    assert find_subject(tmp_path / "alone", MODALITIES).name == "alone"


def test_what_does_not_name_its_modalities_is_refused(root: Path, tmp_path: Path) -> None:
    folder = root / "BraTS2021_00000"
    three = [str(folder / f"BraTS2021_00000_{name}.nii.gz") for name in ("flair", "t1", "t2")]
    with pytest.raises(DataError, match=r"'BraTS2021_00000' has no file of 't1ce'.*_t1ce\.nii"):
        find_subject(three, MODALITIES)
    with pytest.raises(DataError, match=r"several files of one modality: .*_t1\.nii\.gz"):
        find_subject([*three, three[1], three[1].replace("_t1", "_t1ce")], MODALITIES)
    for name in ("one", "two"):
        write_nifti(tmp_path / f"{name}.nii", np.zeros(SHAPE, np.uint8))
    with pytest.raises(DataError, match=r"no file of 'flair'.*one\.nii, two\.nii have no mod"):
        find_subject(tmp_path, MODALITIES)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="has no NIfTI file"):
        find_subject(tmp_path / "none", MODALITIES)
    (tmp_path / "none" / "IM0001.DCM").write_bytes(b"")
    with pytest.raises(DataError, match=r"none' holds a series of DICOM files.*flair.*dcm2niix"):
        find_subject(tmp_path / "none", MODALITIES)
    assert find_subject(tmp_path / "none", ("CT",)) == ("none", (str(tmp_path / "none"),), None)


def test_a_series_of_slices_is_read_with_labels_on_its_grid(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    from helpers.tiny_dicom import expected_affine, make_series, write_slices

    from vision.ops.dicom import read_series_voxels

    series = write_slices(tmp_path / "anna", make_series())
    values = read_series_voxels(series)
    mask = (values > 0).astype(np.uint8)
    affine = expected_affine()
    path = str(write_nifti(tmp_path / "seg.nii", mask, affine))
    subject = SubjectFiles("anna", (str(series),), path)
    labels = VolumeLabels(names=("air", "body"), values=(0, 1))
    found = read_subject(subject, ("CT",), labels)
    np.testing.assert_array_equal(found.volume.values[0], values)
    np.testing.assert_array_equal(found.volume.mask, mask)
    # Converters reverse the rows; this is another grid.
    turned = affine @ np.array([[1, 0, 0, 0], [0, -1, 0, 4], [0, 0, 1, 0], [0, 0, 0, 1]])
    write_nifti(tmp_path / "seg.nii", mask[:, ::-1], turned)
    with pytest.raises(DataError, match=r"differs from that of .*anna' by"):
        read_subject(subject, ("CT",), labels)
    found = read_subject(subject, ("CT",), labels, resample=True)
    np.testing.assert_array_equal(found.volume.mask, mask)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["a/x_01_t1.nii.gz", "a/x_01_t2.nii.gz"], "x_01"),
        (["a/x_01_t1.nii.gz"], "x_01_t1"),
        (["a/left.nii", "b/right.nii"], "left"),
        (["x-t1.nii", "x-t1ce.nii"], "x"),
    ],
)
def test_the_name_of_a_subject_is_what_its_files_share(files: list[str], name: str) -> None:
    assert common_name(files) == name


def test_labels_of_another_grid_come_from_the_nearest_cell() -> None:
    _, mask = tumour(0)
    # A grid of twice the spacing whose cells lie between the others, and one that is turned.
    moved = LPS.copy()
    moved[:3, :3] *= 2
    found = nearest_cells(mask, LPS, moved, (10, 12, 9))
    np.testing.assert_array_equal(found, mask[::2, ::2, ::2])
    turned = LPS[:, [2, 0, 1, 3]]
    np.testing.assert_array_equal(
        nearest_cells(mask, LPS, turned, (18, 20, 24)), mask.transpose(2, 0, 1)
    )
    away = LPS.copy()
    away[0, 3] -= 18  # 18 cells further along the first axis
    found = nearest_cells(mask, LPS, away, SHAPE)
    np.testing.assert_array_equal(found[:2], mask[18:])
    assert (found[2:] == 255).all()


def test_a_file_of_labels_is_checked_with_the_name_of_its_subject(tmp_path: Path) -> None:
    values, mask = tumour(0)
    image = write_nifti(tmp_path / "a.nii", values[0])
    labels = VolumeLabels(names=("none", "all"), values=(0, -5))
    wanted = np.where(mask > 0, -5, 0).astype(np.int16)
    subject = SubjectFiles("s", (str(image),), str(tmp_path / "m.nii"))
    write_nifti(tmp_path / "m.nii", wanted)
    found = read_subject(subject, ("t1",), labels)
    np.testing.assert_array_equal(found.volume.mask, mask > 0)
    wanted[0, 0, 0] = 300
    write_nifti(tmp_path / "m.nii", wanted)
    with pytest.raises(DataError, match=r"subject 's': .*m\.nii' has values .* 300 in 1 cells\. "):
        read_subject(subject, ("t1",), labels)
