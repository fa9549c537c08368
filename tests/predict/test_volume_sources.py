"""Subjects of volumes in folders, lists and single files."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_volumes import MODALITIES, write_brats, write_nifti

from vision.errors import ConfigError, DataError, ImageError
from vision.predict.volume_sources import VolumeSources

SIZE = (2, 3, 4)
SOURCES = VolumeSources(MODALITIES)


@pytest.fixture(scope="module")
def brats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_brats(tmp_path_factory.mktemp("brats"), subjects=2, shape=SIZE)


def files_of(folder: Path, order: tuple[str, ...] = MODALITIES) -> list[str]:
    return [str(folder / f"{folder.name}_{modality}.nii.gz") for modality in order]


def test_a_subject_is_found_in_each_form(brats: Path) -> None:
    folder = brats / "BraTS2021_00001"
    expected = next(iter(SOURCES.listed(folder))).read()
    assert expected.name == folder.name
    assert expected.volume.mask is None
    shuffled = files_of(folder, MODALITIES[::-1])
    forms = (str(folder), shuffled, tuple(shuffled), [folder], f"{brats}/*1", [shuffled])
    for form in forms:
        (unread,) = SOURCES.listed(form)
        found = unread.read()
        assert found.name == folder.name
        assert np.array_equal(found.volume.values, expected.volume.values)


def test_a_folder_holds_many_subjects_in_the_order_of_their_names(brats: Path) -> None:
    names = ["BraTS2021_00000", "BraTS2021_00001"]
    assert [one.path for one in SOURCES.listed(brats)] == [str(brats / name) for name in names]
    assert [*SOURCES.named(brats)] == names
    # One of them, or as a list, has the name that it has among others.
    assert [*SOURCES.named(brats / names[1])] == names[1:]
    assert [*SOURCES.named([str(brats / name) for name in names])] == names
    assert [*SOURCES.named(files_of(brats / names[0]))] == names[:1]
    assert [one.index for one in SOURCES.listed([brats / names[1], str(brats)])] == [0, 1, 2]
    assert SOURCES.may_be_one(brats / names[0])
    assert not SOURCES.may_be_one(brats)


def test_subjects_lie_side_by_side(tmp_path: Path) -> None:
    for name in ("sub.1_flair", "sub.1_t1", "sub.1_seg", "sub.2_flair", "sub.2_t1"):
        write_nifti(tmp_path / "a" / f"{name}.nii.gz", np.zeros(SIZE, np.int16))
    sources = VolumeSources(("flair", "t1"))
    named = sources.named(tmp_path)
    assert [*named] == ["a/sub.1", "a/sub.2"]
    assert [len(given) for given in named.values()] == [2, 2]
    assert {name: sources.stem(name) for name in named} == {name: name for name in named}
    # What `named` gives is taken as it is.
    assert [one.given for one in sources.listed([*named.values()])] == [*named.values()]


def test_each_file_of_all_modalities_is_a_subject(tmp_path: Path) -> None:
    for number in range(4):
        values = np.full((*SIZE, 4), number, np.int16)
        write_nifti(tmp_path / f"BRATS_{number:03}.nii.gz", values)
    files = sorted(map(str, tmp_path.iterdir()))
    for source in (tmp_path, files, f"{tmp_path}/BRATS_00*"):
        read = [one.read() for one in SOURCES.listed(source)]
        assert [one.volume.values.shape for one in read] == [(4, *SIZE)] * 4
        assert [one.volume.values.flat[0] for one in read] == [0, 1, 2, 3]
    assert [*SOURCES.named(tmp_path)] == [f"BRATS_{number:03}" for number in range(4)]
    single = VolumeSources(["CT"])
    assert len([*single.listed(files)]) == 4


def test_what_is_no_subject_is_refused(brats: Path, tmp_path: Path) -> None:
    with refuses(ConfigError, "ndarray", "folder of a subject"):
        list(SOURCES.listed(np.zeros(SIZE)))
    with refuses(ConfigError, "int", "folder of a subject"):
        list(SOURCES.listed([3]))
    (tmp_path / "notes").mkdir()
    for number in range(2):
        (tmp_path / "notes" / f"{number}.txt").touch()
    with refuses(DataError, "no volumes", "2 .txt", ".nii.gz", "DICOM"):
        list(SOURCES.listed(tmp_path))
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").touch()
    (series,) = SOURCES.listed(tmp_path)
    with refuses(ImageError, tmp_path / "series", "DICOM", "flair", "dcm2niix"):
        series.read()
    with refuses(DataError, "no '", "absent"):
        SOURCES.named(tmp_path / "absent")
    with refuses(DataError, "/*.nii"):
        list(SOURCES.listed(f"{tmp_path}/*.nii"))
    # A subject whose files do not fit is an error of its own, which may be skipped.
    for name in ("flair", "t1ce"):
        write_nifti(tmp_path / "s1" / f"s1_{name}.nii.gz", np.zeros(SIZE, np.int16))
    absent = str(tmp_path / "absent.nii.gz")
    for source, part in ((tmp_path / "s1", "'s1'"), ([absent, str(brats)], absent)):
        with refuses(ImageError, part):
            next(iter(SOURCES.listed(source))).read()
    write_nifti(tmp_path / "s1.nii.gz", np.zeros(SIZE, np.int16))
    with refuses(DataError, "s1.nii.gz", "both the subject 's1'"):
        SOURCES.named(tmp_path)
