"""Series of DICOM slices: the grid is nibabel's, and what is no even stack is refused by name."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydicom")

import nibabel
import pydicom
from helpers.refusals import refuses
from helpers.tiny_dicom import (
    AXES,
    INTERCEPT,
    SHAPE,
    SLOPE,
    SPACING,
    expected_affine,
    make_series,
    stored_values,
    write_slices,
)

from vision.errors import DataError, MissingPackageError
from vision.ops.dicom import is_dicom, is_series, read_series_header, read_series_voxels
from vision.ops.nifti import write_labels

with warnings.catch_warnings():  # of other formats than these
    warnings.simplefilter("ignore")
    from nibabel.nicom.dicomwrappers import wrapper_from_data

# A CT of 16 x 16 x 5 cells that pydicom tests itself by.
REAL = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests/98892001/CT5N"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slices(tmp_path_factory.mktemp("dicom") / "scan", make_series())


def test_slices_are_ordered_by_their_positions_and_scaled(folder: Path) -> None:
    header = read_series_header(folder)
    assert (header.path, header.shape) == (str(folder), SHAPE)
    np.testing.assert_allclose(header.affine, expected_affine(), atol=1e-8)
    np.testing.assert_allclose(header.spacing, SPACING, atol=1e-9)
    assert header.orientation == "".join(nibabel.aff2axcodes(header.affine)) == "LPS"
    voxels = read_series_voxels(folder)
    assert voxels.dtype == np.float32
    assert voxels.flags.c_contiguous
    np.testing.assert_array_equal(voxels, stored_values() * SLOPE + INTERCEPT)


@pytest.mark.parametrize("real", [False, True])
def test_each_cell_has_the_place_and_value_that_nibabel_gives_it(real: bool, folder: Path) -> None:
    if real and not REAL.exists():
        pytest.skip("this version of pydicom has no series among its files")
    source = REAL if real else folder
    affine, voxels = read_series_header(source).affine, read_series_voxels(source)
    files = [path for path in source.iterdir() if is_dicom(path)]
    assert voxels.shape[2] == len(files)
    seen = set()
    for file in files:
        theirs = wrapper_from_data(pydicom.dcmread(file))  # index of the row first, DICOM's frame
        lowest = np.diag([-1, -1, 1, 1]) @ theirs.affine @ [0, 0, 0, 1]
        column, row, place = np.round(np.linalg.solve(affine, lowest)[:3], 4)
        assert (abs(column), abs(row)) == (0, 0)
        for index in ((0, 0), (3, 1), (2, 4)):
            world = np.diag([-1, -1, 1, 1]) @ theirs.affine @ [*index, 0, 1]
            ours = affine @ [index[1], index[0], place, 1]
            np.testing.assert_allclose(ours, world, atol=1e-3)
        # nibabel's data has the axes of its affine.
        np.testing.assert_allclose(voxels[:, :, int(place)].T, theirs.get_data(), rtol=1e-6)
        seen.add(int(place))
    assert seen == {*range(len(files))}


def test_labels_are_written_on_the_grid_of_a_series(folder: Path, tmp_path: Path) -> None:
    labels = np.random.default_rng(1).integers(0, 5, SHAPE)
    header = read_series_header(folder)
    write_labels(tmp_path / "found.nii.gz", labels, header)
    found = nibabel.load(tmp_path / "found.nii.gz")
    np.testing.assert_allclose(found.affine, header.affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels)
    assert found.header.get_xyzt_units()[0] == "mm"
    assert int(found.header["sform_code"]) == 1  # the frame of the scanner


def test_a_tilted_gantry_moves_slices_within_their_planes(tmp_path: Path) -> None:
    slices = make_series()
    shift = 0.4 * AXES[:, 1]
    for place, one in enumerate(slices):
        one.ImagePositionPatient = (np.array(one.ImagePositionPatient) + place * shift).tolist()
    affine = read_series_header(write_slices(tmp_path, slices)).affine
    expected = expected_affine()
    expected[:3, 2] += np.diag([-1, -1, 1]) @ shift
    np.testing.assert_allclose(affine, expected, atol=1e-8)


def test_dicom_is_known_by_its_name_or_its_first_bytes(folder: Path, tmp_path: Path) -> None:
    content = (folder / "7.dcm").read_bytes()
    for name, expected in (
        *(("a.DCM", True), ("IM0001", True), ("1.2.840.113619", True)),
        *(("DICOMDIR", False), ("a.txt", False), ("a.nii", False)),
    ):
        (tmp_path / name).write_bytes(content)
        assert is_dicom(tmp_path / name) == expected, name
    (tmp_path / "README").write_text("a scan")
    assert not is_dicom(tmp_path / "README")
    assert is_series(tmp_path)
    (tmp_path / "empty").mkdir()
    assert not is_series(tmp_path / "empty")
    with pytest.raises(DataError, match="empty' has no DICOM files"):
        read_series_header(tmp_path / "empty")


def moved(place: int, along: float, beside: float = 0.0) -> Callable[[list[Any]], None]:
    def change(slices: list[Any]) -> None:
        shift = along * AXES[:, 2] + beside * AXES[:, 0]
        position = np.array(slices[place].ImagePositionPatient) + shift
        slices[place].ImagePositionPatient = position.tolist()

    return change


def given(place: int, **values: Any) -> Callable[[list[Any]], None]:
    def change(slices: list[Any]) -> None:
        for keyword, value in values.items():
            if value is None:
                delattr(slices[place], keyword)
            else:
                setattr(slices[place], keyword, value)

    return change


def compressed(slices: list[Any]) -> None:
    """Pixels that say they are JPEG 2000, and are not."""
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    slices[1].file_meta.TransferSyntaxUID = JPEG2000Lossless
    slices[1].PixelData = encapsulate([b"\xff\x4f\xff\x51 no pixels "])
    slices[1]["PixelData"].is_undefined_length = True


CASES: dict[str, tuple[Callable[[list[Any]], None], tuple[str, ...]]] = {
    "a slice is absent": (
        lambda slices: slices.pop(2),
        ("'", "30.dcm", "1.dcm", "4 mm apart", "2 mm", "absent"),
    ),
    "uneven": (moved(2, 0.05), ("1.dcm", "30.dcm", "2.05 mm apart")),
    "the same position": (moved(1, -2.0), ("7.dcm", "30.dcm", "same position", "phases")),
    "beside the line": (moved(1, 0, 0.3), ("30.dcm", "0.3 mm beside")),
    "another size": (given(2, Rows=6, Columns=5), ("1.dcm", "6 x 5 pixels", "5 x 6 pixels")),
    "another spacing": (given(2, PixelSpacing=[0.5, 0.8]), ("1.dcm", "0.8", "0.75")),
    "another direction": (
        given(3, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        ("2.dcm", "directions", "localizers"),
    ),
    "no directions": (given(0, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), ("7.dcm", "right")),
    "no position": (given(1, ImagePositionPatient=None), ("30.dcm", "no ImagePositionPatient")),
    "two numbers": (given(1, ImagePositionPatient=[1, 2]), ("30.dcm", "3 numbers")),
    "no spacing": (given(3, PixelSpacing=[0, 0.5]), ("2.dcm", "0 x 0.5 mm")),
    "frames": (given(2, NumberOfFrames=20), ("1.dcm", "20 frames", "dcm2niix")),
    "several series": (
        given(2, SeriesInstanceUID="9.8.7", SeriesDescription="Scout"),
        ("2 DICOM series", "1.2.3 (Axial 2.0): 3 as '2.dcm'", "9.8.7 (Scout): 1 as '1.dcm'"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_even_stack_of_one_series_is_refused(case: str, tmp_path: Path) -> None:
    change, parts = CASES[case]
    slices = make_series()
    change(slices)
    names = ["7.dcm", "30.dcm", "1.dcm", "2.dcm"]
    if len(slices) == 3:
        del names[2]
        parts = (parts[0], "30.dcm", "2.dcm", *parts[3:])
    write_slices(tmp_path, slices, names)
    with refuses(DataError, *parts):
        read_series_header(tmp_path)


PIXELS: dict[str, tuple[Callable[[list[Any]], None], tuple[str, ...]]] = {
    "compressed": (compressed, ("30.dcm", "compressed (JPEG 2000", "gdcmconv --raw")),
    "cut pixels": (given(2, PixelData=b"\0" * 10), ("1.dcm", "cannot be decoded")),
    "no pixels": (given(2, PixelData=None), ("1.dcm", "cannot be decoded")),
    "colour": (
        given(
            0,
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            PixelRepresentation=0,
            PixelData=b"\0" * 90,
        ),
        ("7.dcm", "(5, 6, 3)", "(5, 6)"),
    ),
    "no number": (given(1, RescaleSlope=float("inf")), ("30 of 120 cells", "no finite numbers")),
}


@pytest.mark.parametrize("case", PIXELS)
def test_pixels_that_are_no_values_are_refused(case: str, tmp_path: Path) -> None:
    change, parts = PIXELS[case]
    slices = make_series()
    change(slices)
    write_slices(tmp_path, slices)
    with refuses(DataError, *parts):
        read_series_voxels(tmp_path)


def test_compressed_pixels_are_decoded_where_pydicom_can(tmp_path: Path) -> None:
    slices = make_series()
    for one in slices:
        one.compress(pydicom.uid.RLELossless)
    voxels = read_series_voxels(write_slices(tmp_path, slices))
    np.testing.assert_array_equal(voxels, stored_values() * SLOPE + INTERCEPT)


def test_files_that_are_cut_or_of_another_kind_are_named(folder: Path, tmp_path: Path) -> None:
    content = (folder / "30.dcm").read_bytes()
    write_slices(tmp_path, make_series())
    (tmp_path / "30.dcm").write_bytes(b"a scan")
    with refuses(DataError, "30.dcm' is not a DICOM file", "DICM"):
        read_series_header(tmp_path)
    # Wherever it ends, and whatever byte is wrong, the file is named or read.
    rng = np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(content[: rng.integers(132, len(content))])
        bad[rng.integers(132, len(bad))] ^= int(rng.integers(1, 256))
        (tmp_path / "30.dcm").write_bytes(bad)
        with pytest.raises(DataError, match=r"\.dcm"):
            read_series_voxels(tmp_path)
    for name in ("30.dcm", "1.dcm", "2.dcm"):
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match=r"has a single slice, '.*7\.dcm'"):
        read_series_header(tmp_path)


def test_without_pydicom_its_install_line_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with refuses(MissingPackageError, str(folder), "pydicom", "dicom]", "dcm2niix"):
        read_series_header(folder)
