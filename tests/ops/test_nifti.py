"""NIfTI files: values and headers are nibabel's, come back as they were, and bad ones are named."""

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from vision.errors import DataError, MissingPackageError
from vision.ops.nifti import (
    VolumeHeader,
    read_header,
    read_labels,
    read_voxels,
    write_labels,
    write_values,
)

SCANS = Path(nibabel.__file__).parent / "tests" / "data"
# LAS with 16 bits and two volumes; big-endian; big-endian floats; the second version of the format.
NAMES = ["example4d.nii.gz", "anatomical.nii", "reoriented_anat_moved.nii", "example_nifti2.nii.gz"]
OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.3, 0.2, -0.1) @ np.diag([-1.0, 1.5, 3.0]), [10, -20, 30]
)


def scan(name: str) -> Path:
    path = SCANS / name
    if not path.exists():
        pytest.skip(f"this version of nibabel has no {name} among its files")
    return path


@pytest.fixture
def oblique(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(-500, 500, (5, 6, 7)).astype(np.int16)
    image = nibabel.Nifti1Image(values, OBLIQUE)
    image.header.set_slope_inter(0.5, 3)
    image.header["descrip"] = b"a scan"
    image.set_qform(OBLIQUE, 1)
    image.set_sform(OBLIQUE, 2)
    path = tmp_path / "oblique.nii.gz"
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_values_and_header_are_those_of_nibabel(name: str) -> None:
    path = scan(name)
    theirs = nibabel.load(path)
    header = read_header(path)
    assert header.shape == theirs.shape
    assert header.orientation == "".join(nibabel.aff2axcodes(theirs.affine))
    np.testing.assert_array_equal(header.affine, theirs.affine)
    np.testing.assert_allclose(header.spacing, theirs.header.get_zooms()[:3], rtol=1e-6)
    np.testing.assert_array_equal(read_voxels(path), theirs.get_fdata(dtype=np.float32))


def test_a_scale_in_the_header_is_applied(oblique: Path) -> None:
    theirs = nibabel.load(oblique)
    assert theirs.dataobj.slope == 0.5
    np.testing.assert_allclose(read_voxels(oblique), theirs.get_fdata(), rtol=1e-6)


@pytest.mark.parametrize("name", [*NAMES, "oblique"])
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_written_labels_lie_on_the_grid_of_their_source(
    name: str, ending: str, oblique: Path, tmp_path: Path
) -> None:
    source = oblique if name == "oblique" else scan(name)
    like = read_header(source)
    labels = np.random.default_rng(1).integers(0, 5, like.shape[:3])
    write_labels(tmp_path / f"found.{ending}", labels, like)
    before, after = nibabel.load(source), nibabel.load(tmp_path / f"found.{ending}")
    np.testing.assert_array_equal(after.affine, before.affine)
    np.testing.assert_array_equal(np.asarray(after.dataobj), labels)
    assert after.get_data_dtype() == np.uint8
    assert after.header.endianness == before.header.endianness
    for form in ("get_qform", "get_sform"):
        (first, first_code), (second, second_code) = (
            getattr(image.header, form)(coded=True) for image in (before, after)
        )
        assert first_code == second_code
        np.testing.assert_array_equal(first, second)
    assert after.header["descrip"] == before.header["descrip"]
    assert after.header.get_xyzt_units()[0] == before.header.get_xyzt_units()[0]
    np.testing.assert_array_equal(read_labels(tmp_path / f"found.{ending}"), labels)


def test_written_floats_come_back(oblique: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(2).random((5, 6, 7, 3)).astype(np.float32)
    write_values(tmp_path / "found.nii.gz", values, oblique)
    np.testing.assert_array_equal(read_voxels(tmp_path / "found.nii.gz"), values)
    np.testing.assert_array_equal(read_header(tmp_path / "found.nii.gz").affine, OBLIQUE_STORED)


# The format has an affine in single precision.
OBLIQUE_STORED = OBLIQUE.astype(np.float32).astype(np.float64)


def test_labels_of_more_than_a_byte_and_negative_ones_are_kept(
    oblique: Path, tmp_path: Path
) -> None:
    labels = np.zeros((5, 6, 7), np.int64)
    for low, high, dtype in ((-1, 3, np.int16), (0, 300, np.int16), (0, 70_000, np.int32)):
        labels[0, 0, :2] = low, high
        write_labels(tmp_path / "found.nii", labels, oblique)
        assert nibabel.load(tmp_path / "found.nii").get_data_dtype() == dtype
        np.testing.assert_array_equal(read_labels(tmp_path / "found.nii"), labels)


def test_a_source_of_another_format_gives_its_affine_alone(tmp_path: Path) -> None:
    like = VolumeHeader("series", (2, 3, 4), OBLIQUE, (1, 1.5, 3), "LAS")
    write_labels(tmp_path / "found.nii.gz", np.ones((2, 3, 4), np.uint8), like)
    np.testing.assert_allclose(nibabel.load(tmp_path / "found.nii.gz").affine, OBLIQUE, rtol=1e-6)


def test_another_grid_than_that_of_the_source_is_refused(oblique: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(5, 6, 6\) cells.*\(5, 6, 7\)"):
        write_labels(tmp_path / "found.nii.gz", np.zeros((5, 6, 6), np.uint8), oblique)
    assert not (tmp_path / "found.nii.gz").exists()


def test_labels_may_be_whole_floats_but_no_fractions(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.nii"), values)
    values[1, 1, 1] = 0.25
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"a\.nii.*1 of 24 cells.*0\.25"):
        read_labels(tmp_path / "a.nii")


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    values = np.ones((2, 3, 4), np.float32)
    values[0, 0, 0], values[1, 2, 3] = np.nan, np.inf
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii.gz")
    for read in (read_voxels, read_labels):
        with pytest.raises(DataError, match=r"a\.nii\.gz.*2 of 24"):
            read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_cut_gzip_file_is_named(oblique: Path, tmp_path: Path, share: float) -> None:
    data = oblique.read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(data[: max(2, int(share * len(data)))])
    with pytest.raises(DataError, match=r"cut\.nii\.gz' is (not a whole gzip file|cut)"):
        read_voxels(tmp_path / "cut.nii.gz")


def test_a_wrong_sum_in_a_gzip_file_is_seen(oblique: Path, tmp_path: Path) -> None:
    data = bytearray(oblique.read_bytes())
    data[-7] ^= 1
    (tmp_path / "bad.nii.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"bad\.nii\.gz' is not a whole gzip file"):
        read_labels(tmp_path / "bad.nii.gz")


def test_a_cut_plain_file_is_named(oblique: Path, tmp_path: Path) -> None:
    data = gzip.decompress(oblique.read_bytes())
    for kept, match in ((100, "within its header"), (len(data) - 1, "419 of 420 bytes")):
        (tmp_path / "cut.nii").write_bytes(data[:kept])
        with pytest.raises(DataError, match=rf"cut\.nii' is cut.*{match}"):
            read_voxels(tmp_path / "cut.nii")


def with_header(oblique: Path, place: int, form: str, *values: float) -> bytes:
    data = bytearray(gzip.decompress(oblique.read_bytes()))
    struct.pack_into(f"<{form}", data, place, *values)
    return bytes(data)


@pytest.mark.parametrize(
    ("place", "form", "values", "match"),
    [
        (80, "f", [0.0], "spacing of 0 x 1.5 x 3 mm"),
        (84, "f", [-1.5], "spacing of 1 x -1.5 x 3 mm"),
        (88, "f", [float("nan")], "spacing of 1 x 1.5 x nan mm"),
        (280, "12f", [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0], "span no volume"),
        (40, "3h", [2, 5, 6], r"shape \(5, 6\)"),
        (40, "8h", [5, 5, 6, 7, 2, 3, 1, 1], r"shape \(5, 6, 7, 2, 3\)"),
        (40, "5h", [4, 32767, 32767, 32767, 32767], "at most"),
        (42, "h", [-5], "shape"),
        (70, "h", [32], "type complex64"),
        (70, "h", [999], "damaged"),
        (0, "i", [12], "first bytes are 0c 00 00 00"),
    ],
)
def test_a_header_that_cannot_be_meant_is_refused(
    oblique: Path, tmp_path: Path, place: int, form: str, values: list[float], match: str
) -> None:
    (tmp_path / "bad.nii").write_bytes(with_header(oblique, place, form, *values))
    with pytest.raises(DataError, match=rf"bad\.nii.*{match}"):
        read_header(tmp_path / "bad.nii")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no NIfTI file"):
        read_header(tmp_path / "absent.nii.gz")
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a\.png.*ends in \.nii\.gz or \.nii"):
        read_header(tmp_path / "a.png")


def test_the_line_that_installs_nibabel_is_said(
    oblique: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(MissingPackageError, match=r"oblique\.nii\.gz.*pip install.*\[volumes\]"):
        read_header(oblique)
