"""Volumes in NIfTI files, `.nii` and `.nii.gz`, whose headers are read and written by nibabel.

https://nifti.nimh.nih.gov. Everything is checked while it is read: a file that is cut, cells that
are no numbers and axes without a length are errors that name the file.
"""

import gzip
import io
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from vision.errors import DataError, MissingPackageError
from vision.extras import install_line
from vision.files import replace_file
from vision.ops.volume_axes import orientation_of, spacing_of
from vision.options import UNEXPECTED
from vision.reading import GIB, open_file

SUFFIXES = (".nii.gz", ".nii")
MAX_BYTES = 16 * GIB
# Values of one file; a CT of a whole body has 5e8.
MAX_VALUES = 2**32
# Bytes of the two versions of the header, which the first four of them state.
HEADERS = {348: "Nifti1", 540: "Nifti2"}
# Smallest length of an axis per cell in mm, and of the three axes' volume as a share of a box.
MIN_SPACING_MM, MIN_VOLUME = 1e-6, 1e-3
# Values of a file that are written as labels, smallest type first.
LABEL_TYPES = (np.uint8, np.int16, np.int32)

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class VolumeHeader:
    """What a file says of its volume.

    Attributes:
        path: The file.
        shape: Cells along each axis as stored, 3 numbers, or 4 where there are several volumes.
        affine: float64 `(4, 4)`, from the index of a cell to its place in mm (x right, y anterior,
            z superior).
        spacing: Distance between cells along the first three axes, in mm.
        orientation: Directions in which the index grows along these, such as "LAS"; the nearest
            ones of an oblique volume.
    """

    path: str
    shape: tuple[int, ...]
    affine: np.ndarray
    spacing: tuple[float, float, float]
    orientation: str


def is_nifti(path: StrPath) -> bool:
    """Whether a path has the suffix of a NIfTI file."""
    return os.fspath(path).lower().endswith(SUFFIXES)


def nifti_stem(path: StrPath) -> str:
    """The name of a file without its folder and its suffix `.nii` or `.nii.gz`."""
    name = os.path.basename(os.fspath(path))
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or name


def read_header(path: StrPath) -> VolumeHeader:
    """Read what a file says of its volume, without decoding its cells.

    Raises:
        DataError: It is absent, no NIfTI file of 3 or 4 axes, or its axes have no length.
        MissingPackageError: nibabel is not installed.
    """
    with _Stream(path) as stream:
        return _described(path, _parse_header(path, stream))


def read_voxels(path: StrPath, dtype: Any = np.float32) -> np.ndarray:
    """Read the values of a volume, scaled as the file says.

    Args:
        path: The file.
        dtype: Type of the result, a float.

    Returns:
        `(D, H, W)`, or `(D, H, W, T)`, in stored order of the axes.

    Raises:
        DataError: As for `read_header`; the file is cut, or a value is not a finite number.
        MissingPackageError: nibabel is not installed.
    """
    raw, (slope, inter) = _read_values(path)
    values = np.ascontiguousarray(raw, dtype=dtype)
    if (slope, inter) != (1, 0):
        values = np.asarray(raw * slope + inter, dtype=dtype, order="C")
    require_finite(values, path)
    return values


def require_finite(values: np.ndarray, path: StrPath) -> None:
    """Raise an error unless all values of a volume are finite numbers.

    Raises:
        DataError: Some are not; the message has the path.
    """
    # A sum is NaN or infinite if a value is; only then is each one looked at.
    if not np.isfinite(values.sum(dtype=np.float64)) and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise DataError(
            f"'{path}': {bad:,} of {values.size:,} cells are no finite numbers (NaN or infinite). "
            "Replace them, such as by 0, in a copy of the file."
        )


def read_labels(path: StrPath) -> np.ndarray:
    """Read a volume of labels.

    Returns:
        Integers, of the type of the file where it has one or int32, `(D, H, W)`, or
        `(D, H, W, T)`, in stored order of the axes.

    Raises:
        DataError: As for `read_voxels`; or a value is not an integer.
        MissingPackageError: nibabel is not installed.
    """
    raw, (slope, inter) = _read_values(path)
    if raw.dtype.kind in "iu" and (slope, inter) == (1, 0) and raw.dtype.itemsize <= 4:
        return np.ascontiguousarray(raw, dtype=raw.dtype.newbyteorder("="))
    values = np.asarray(raw * slope + inter, dtype=np.float64, order="C")
    fitting = np.abs(values) < 2**31  # False of NaN
    labels = np.where(fitting, values, 0).astype(np.int32)
    wrong = ~fitting | (labels != values)
    if wrong.any():
        raise DataError(
            f"'{path}': {int(wrong.sum()):,} of {values.size:,} cells have a value that is no "
            f"label, such as {values[wrong][0]:g}; expected integers. A volume of probabilities, "
            "or labels that were resampled by interpolation, are usual reasons."
        )
    return labels


def write_labels(path: StrPath, labels: np.ndarray, like: VolumeHeader | StrPath) -> None:
    """Write a volume of labels with the affine and the header of another file.

    Args:
        path: The file to write, `.nii` or `.nii.gz`.
        labels: Integers `(D, H, W)`, on the grid of `like`.
        like: The source: its affine, both of its transforms with their codes, units and
            description are kept.

    Raises:
        DataError: The shapes differ, or the source cannot be read.
        MissingPackageError: nibabel is not installed.
    """
    assert labels.dtype.kind in "iub", f"labels are integers, not {labels.dtype}"
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    fitting = (np.iinfo(kind) for kind in LABEL_TYPES)
    dtype = next(kind.dtype for kind in fitting if kind.min <= low and high <= kind.max)
    _write(Path(path), labels.astype(dtype), like)


def write_values(path: StrPath, values: np.ndarray, like: VolumeHeader | StrPath) -> None:
    """Write a volume of floats, in single precision, as `write_labels` writes labels.

    Args:
        path: The file to write.
        values: `(D, H, W)`, or `(D, H, W, T)` for several volumes.
        like: The source.

    Raises:
        DataError: The shapes differ, or the source cannot be read.
        MissingPackageError: nibabel is not installed.
    """
    _write(Path(path), values.astype(np.float32), like)


class _Stream:
    """The decompressed bytes of a file, with errors that name it."""

    def __init__(self, path: StrPath) -> None:
        self.path = path

    def __enter__(self) -> BinaryIO:
        if not is_nifti(self.path):
            raise DataError(
                f"'{self.path}' is not a NIfTI file by its name; expected one that ends in "
                f"{' or '.join(SUFFIXES)}."
            )
        self.file = open_file(self.path, max_bytes=MAX_BYTES, what="NIfTI file")
        packed = self.file.peek(2)[:2] == b"\x1f\x8b"
        if not packed:
            return self.file
        return cast(BinaryIO, gzip.GzipFile(fileobj=self.file, mode="rb"))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.file.close()
        if isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile)):
            reason = str(error).partition("\n")[0].rstrip(".")
            raise DataError(
                f"'{self.path}' is not a whole gzip file: {reason}. Copy or download it again."
            ) from error
        if isinstance(error, OSError):
            raise DataError(f"'{self.path}' cannot be read: {error.strerror or error}.") from error


def _parse_header(path: StrPath, stream: BinaryIO) -> Any:
    """The header of a file, as nibabel has it; the stream stands behind it."""
    nibabel = import_nibabel(path)
    data = stream.read(4)
    stated = {int.from_bytes(data, order): order for order in ("little", "big")}
    version = next((HEADERS[size] for size in stated if size in HEADERS), None)
    if len(data) < 4 or version is None:
        raise DataError(
            f"'{path}' does not begin as a NIfTI file: its first bytes are {data.hex(' ')}, "
            "expected the length of a header, 348 or 540."
        )
    kind = getattr(nibabel, f"{version}Header")
    data += stream.read(kind.sizeof_hdr - 4)
    if len(data) < kind.sizeof_hdr:
        raise DataError(f"'{path}' is cut: it ends within its header of {kind.sizeof_hdr} bytes.")
    try:
        header = kind.from_fileobj(io.BytesIO(data), check=False)
        shape = tuple(map(int, header.get_data_shape()))
        dtype = header.get_data_dtype()
        slope, inter = header.get_slope_inter()
    except (*UNEXPECTED, nibabel.spatialimages.HeaderDataError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"the header of '{path}' is damaged: {reason}.") from error
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4) or min(shape) < 1 or math.prod(shape) > MAX_VALUES:
        raise DataError(
            f"'{path}' has the shape {shape}; expected 3 axes, or 4 of several volumes, with at "
            f"most {MAX_VALUES:,} values."
        )
    if dtype.kind not in "iuf":
        raise DataError(f"'{path}' has values of type {dtype}; expected integers or floats.")
    return _Parsed(header, shape, dtype, 1.0 if slope is None else slope, inter or 0.0)


@dataclass(frozen=True, eq=False)
class _Parsed:
    """A header as nibabel has it, and what it says of the values."""

    header: Any
    shape: tuple[int, ...]
    dtype: np.dtype
    slope: float
    inter: float


def _described(path: StrPath, found: _Parsed) -> VolumeHeader:
    """Check the axes of a volume, and describe it."""
    steps = np.asarray(found.header["pixdim"][1:4], np.float64)
    if not (np.isfinite(steps).all() and (steps > MIN_SPACING_MM).all()):
        raise DataError(
            f"'{path}' states a spacing of {_text(steps)} mm; expected three positive numbers. "
            "Correct 'pixdim' in its header."
        )
    affine = np.asarray(found.header.get_best_affine(), np.float64)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    whole = np.isfinite(affine).all() and (lengths > MIN_SPACING_MM).all()
    if not whole or abs(np.linalg.det(affine[:3, :3] / lengths)) < MIN_VOLUME:
        raise DataError(
            f"'{path}' has an affine whose axes are {_text(lengths)} mm a cell and span no volume: "
            f"{np.round(affine[:3], 4).tolist()}. Correct 'sform' or 'qform' in its header."
        )
    return VolumeHeader(
        os.fspath(path), found.shape, affine, spacing_of(affine), orientation_of(affine)
    )


def _text(numbers: np.ndarray) -> str:
    return " x ".join(f"{number:g}" for number in numbers.tolist())


def _read_values(path: StrPath) -> tuple[np.ndarray, tuple[float, float]]:
    """The values of a file as stored, and the slope and intercept that scale them."""
    with _Stream(path) as stream:
        found = _parse_header(path, stream)
        _described(path, found)
        begin = max(int(found.header["vox_offset"]), found.header.sizeof_hdr)
        stream.read(begin - found.header.sizeof_hdr)
        stated = math.prod(found.shape) * found.dtype.itemsize
        data = stream.read(stated)
        if len(data) < stated:
            raise DataError(
                f"'{path}' is cut: {len(data):,} of {stated:,} bytes of its cells are there. Copy "
                "or download it again."
            )
        stream.read(1)  # the end of a gzip file has the sum that its contents are checked by
    raw = np.frombuffer(data, found.dtype).reshape(found.shape, order="F")
    return raw, (found.slope, found.inter)


def _write(path: Path, array: np.ndarray, like: VolumeHeader | StrPath) -> None:
    nibabel = import_nibabel(path)
    source = like if isinstance(like, VolumeHeader) else read_header(like)
    if array.shape[:3] != source.shape[:3]:
        raise DataError(
            f"'{path}' would have {array.shape[:3]} cells, but '{source.path}' has "
            f"{source.shape[:3]}: a volume is written on the grid of its source."
        )
    if is_nifti(source.path) and not os.path.isdir(source.path):
        with _Stream(source.path) as stream:
            header = _parse_header(source.path, stream).header.copy()
    else:  # a series of slices
        header = nibabel.Nifti1Header()
        header.set_xyzt_units("mm")
        header.set_sform(source.affine, code="scanner")
    header.set_data_dtype(array.dtype)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0  # a window for the grey values of the source
    kind = nibabel.Nifti2Image if header.sizeof_hdr == 540 else nibabel.Nifti1Image
    image = kind(array, source.affine, header)
    replace_file(path, lambda place: nibabel.save(image, place))


def import_nibabel(path: StrPath) -> Any:
    """Import nibabel.

    Args:
        path: The file that it is to read or write, for the message.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import nibabel
    except ImportError as error:
        raise MissingPackageError(
            f"'{path}' is a NIfTI file, which the package nibabel reads and writes; it is not "
            f"installed: `{install_line('volumes')}`."
        ) from error
    return nibabel
