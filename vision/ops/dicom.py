"""Series of slices in DICOM files, a file for each slice, which are read by pydicom.

https://dicom.nema.org, part 3, C.7.6.2. A folder holds the slices of one series of CT or MR. Their
order is that of their positions along the normal of the slices; names do not matter. Everything is
checked while it is read: a volume with a slice less, or a slice twice, would be a wrong one.

DICOM's places are in mm, x to the left, y to the posterior, z to the superior; those of a
`VolumeHeader` are x to the right, y to the anterior, z to the superior.
"""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from vision.errors import DataError, MissingPackageError, VisionError, listed
from vision.extras import install_line
from vision.ops.nifti import MAX_VALUES, StrPath, VolumeHeader, require_finite
from vision.ops.volume_axes import orientation_of, spacing_of
from vision.options import UNEXPECTED
from vision.reading import MAX_IMAGE_BYTES, open_file

DCM = ".dcm"
# Where DICOM files say what they are.
MAGIC, MAGIC_AT = b"DICM", 128
# An index of other files.
INDEX = "DICOMDIR"
# Of the distance of two slices: how much others may differ, and lie beside the line. Positions are
# text, and some devices round it to hundredths of a millimetre.
UNEVEN, ROUNDED_MM = 0.01, 0.01
# Largest difference of directions, which are cosines, and of sizes of pixels in mm, among slices.
SAME_DIRECTION, SAME_MM = 1e-3, 1e-3
# What is needed of a file beside its pixels.
TAGS = (
    *("SeriesInstanceUID", "SeriesDescription", "NumberOfFrames", "Rows", "Columns"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
CONVERT = "dcm2niix -z y FOLDER"
# What pydicom raises of damaged files, beside its own errors.
DAMAGE = (EOFError, OSError, NotImplementedError, struct.error, zlib.error, *UNEXPECTED)


class _Slice(NamedTuple):
    """A slice of a series.

    Attributes:
        path: Its file.
        size: Its rows and columns.
        axes: `(2, 3)`, directions in which the index of a column and of a row grows.
        steps: Distance between columns and between rows, in mm.
        place: `(3,)` in mm, of the middle of its first pixel.
    """

    path: str
    size: tuple[int, int]
    axes: np.ndarray
    steps: np.ndarray
    place: np.ndarray


def is_dicom(path: StrPath) -> bool:
    """Whether a file is one of DICOM: by its suffix `.dcm`, or by its first bytes if it has none.

    Args:
        path: A file; the suffix may be a number, as in names that are identifiers.
    """
    name = os.path.basename(os.fspath(path))
    suffix = os.path.splitext(name)[1].lower()
    if suffix == DCM:
        return True
    if name.upper() == INDEX or (suffix and not suffix[1:].isdecimal()):
        return False
    try:
        with open_file(path, max_bytes=MAX_IMAGE_BYTES) as file:
            return file.read(MAGIC_AT + len(MAGIC))[MAGIC_AT:] == MAGIC
    except (DataError, OSError):
        return False


def series_files(folder: StrPath) -> list[str]:
    """The DICOM files in a folder, in the order of their names."""
    with os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries if entry.is_file() and is_dicom(entry.path))


def is_series(folder: StrPath) -> bool:
    """Whether a folder has DICOM files."""
    with os.scandir(folder) as entries:
        return any(entry.is_file() and is_dicom(entry.path) for entry in entries)


def read_series_header(folder: StrPath) -> VolumeHeader:
    """Read the grid of a series, without decoding its pixels.

    Args:
        folder: The folder of its slices, and of no others.

    Returns:
        Of axes in the order column, row, slice; the path is the folder.

    Raises:
        DataError: Files are absent or damaged, belong to several series, or are no even stack.
        MissingPackageError: pydicom is not installed.
    """
    return _header(folder, _read_slices(folder))


def read_series_voxels(folder: StrPath) -> np.ndarray:
    """Read the values of a series, scaled as its files say: Hounsfield units of CT.

    Args:
        folder: The folder of its slices.

    Returns:
        float32 `(columns, rows, slices)`, the axes of `read_series_header`.

    Raises:
        DataError: As for `read_series_header`; or pixels cannot be decoded.
        MissingPackageError: pydicom is not installed.
    """
    slices = _read_slices(folder)
    voxels = np.empty(_header(folder, slices).shape, dtype=np.float32)
    for place, one in enumerate(slices):
        voxels[:, :, place] = _read_pixels(one).T
    require_finite(voxels, folder)
    return voxels


def _header(folder: StrPath, slices: Sequence[_Slice]) -> VolumeHeader:
    """The grid of slices in their order."""
    rows, columns = slices[0].size
    shape = (columns, rows, len(slices))
    affine = np.eye(4)
    affine[:3, :2] = (slices[0].axes * slices[0].steps[:, None]).T
    affine[:3, 2] = (slices[-1].place - slices[0].place) / (len(slices) - 1)
    affine[:3, 3] = slices[0].place
    affine[:3] = LPS_TO_RAS @ affine[:3]
    if columns * rows * len(slices) > MAX_VALUES:
        raise DataError(f"'{folder}' has {shape} cells, more than {MAX_VALUES:,}.")
    path = os.fspath(folder)
    return VolumeHeader(path, shape, affine, spacing_of(affine), orientation_of(affine))


def _read_slices(folder: StrPath) -> list[_Slice]:
    """The slices of a folder in the order of their positions, checked."""
    require_pydicom(folder)
    paths = series_files(folder)
    if not paths:
        raise DataError(f"'{folder}' has no DICOM files.")
    heads = {path: _read(path, pixels=False) for path in paths}
    _require_one_series(folder, heads)
    slices = [_slice(path, head) for path, head in heads.items()]
    if len(slices) < 2:
        raise DataError(f"'{folder}' has a single slice, '{paths[0]}'; expected two or more.")
    _require_alike(slices)
    return _in_order(folder, slices)


def _read(path: str, *, pixels: bool) -> Any:
    """A file as pydicom has it, with its pixels or with `TAGS` alone."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        with (
            _guarded(f"DICOM file '{path}' is damaged"),
            open_file(path, max_bytes=MAX_IMAGE_BYTES, what="DICOM file") as file,
        ):
            tags: list[Any] | None = None if pixels else [*TAGS]
            return dcmread(file, stop_before_pixels=not pixels, specific_tags=tags)
    except InvalidDicomError as error:
        raise DataError(
            f"'{path}' is not a DICOM file: it has no '{MAGIC.decode()}' at byte {MAGIC_AT}."
        ) from error


@contextmanager
def _guarded(problem: str, remedy: str = "") -> Iterator[None]:
    """Name what pydicom fails at, and silence what it says of values beside the standard.

    Args:
        problem: What failed, for the message.
        remedy: A sentence for its end.

    Raises:
        DataError: It failed.
    """
    from pydicom.config import disable_value_validation
    from pydicom.errors import BytesLengthException

    try:
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    except VisionError:
        raise
    except (BytesLengthException, *DAMAGE) as error:
        text = str(error).strip().partition("\n")[0][:300].rstrip(".") or type(error).__name__
        raise DataError(f"{problem}: {text}.{remedy}") from error


def _require_one_series(folder: StrPath, heads: dict[str, Any]) -> None:
    """Raise an error unless all files belong to one series; it lists the others."""
    series: dict[str, list[str]] = {}
    for path, head in heads.items():
        series.setdefault(_text(path, head, "SeriesInstanceUID"), []).append(path)
    if len(series) == 1:
        return
    lines = []
    for uid, paths in series.items():
        about = _text(paths[0], heads[paths[0]], "SeriesDescription")
        first = os.path.basename(paths[0])
        lines.append(f"{uid or 'none'}{f' ({about})' if about else ''}: {len(paths)} as '{first}'")
    raise DataError(
        f"'{folder}' has the files of {len(series)} DICOM series: {listed(lines, maximum=5)}. Put "
        "each series into a folder of its own."
    )


def _value(path: str, head: Any, keyword: str) -> Any:
    """A value of a file, which pydicom converts when it is asked for; None without."""
    with _guarded(f"DICOM file '{path}': {keyword} is damaged"):
        return head.get(keyword)


def _text(path: str, head: Any, keyword: str) -> str:
    value = _value(path, head, keyword)
    return "" if value is None else " ".join(str(value).split())[:64]


def _numbers(path: str, head: Any, keyword: str, count: int) -> np.ndarray:
    """Several numbers of a file.

    Raises:
        DataError: They are absent, or no finite numbers.
    """
    value = _value(path, head, keyword)
    try:
        numbers = np.atleast_1d(np.array(value, np.float64))
    except UNEXPECTED:
        numbers = np.array([])
    if value is None or numbers.shape != (count,) or not np.isfinite(numbers).all():
        said = f"has no {keyword}" if value is None else f"has {keyword} {_shown(value)}"
        wanted = "a positive number" if count == 1 else f"{count} numbers"
        raise DataError(
            f"DICOM file '{path}' {said}; expected {wanted}: only slices of CT, MR and the like, "
            "whose places are known, make a volume."
        )
    return numbers


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _slice(path: str, head: Any) -> _Slice:
    """What a file says of its slice, checked."""
    frames = _text(path, head, "NumberOfFrames")
    if frames not in ("", "1"):
        raise DataError(
            f"DICOM file '{path}' holds {frames} frames; expected a file for each slice. Convert "
            f"it to NIfTI, such as by `{CONVERT}`."
        )
    rows, columns = (int(_numbers(path, head, key, 1)[0]) for key in ("Rows", "Columns"))
    steps = _numbers(path, head, "PixelSpacing", 2)[::-1]  # between rows comes first
    if min(rows, columns) < 1 or (steps < SAME_MM).any():
        raise DataError(
            f"DICOM file '{path}' has {rows} rows and {columns} columns of {steps[1]:g} x "
            f"{steps[0]:g} mm; expected positive numbers."
        )
    axes = _numbers(path, head, "ImageOrientationPatient", 6).reshape(2, 3)
    if np.abs(axes @ axes.T - np.eye(2)).max() > 10 * SAME_DIRECTION:
        raise DataError(
            f"DICOM file '{path}' has ImageOrientationPatient {axes.ravel().tolist()}; expected "
            "two directions of length 1 at a right angle."
        )
    place = _numbers(path, head, "ImagePositionPatient", 3)
    return _Slice(path, (rows, columns), axes, steps, place)


def _require_alike(slices: Sequence[_Slice]) -> None:
    """Raise an error unless slices have the same size, spacing and directions."""
    first = slices[0]
    for other in slices[1:]:
        if other.size != first.size:
            sizes = [f"{one.size[0]} x {one.size[1]} pixels" for one in (other, first)]
        elif np.abs(other.steps - first.steps).max() > SAME_MM:
            sizes = [f"pixels of {one.steps.round(4).tolist()} mm" for one in (other, first)]
        elif np.abs(other.axes - first.axes).max() > SAME_DIRECTION:
            sizes = [f"the directions {one.axes.round(4).tolist()}" for one in (other, first)]
        else:
            continue
        raise DataError(
            f"'{other.path}' has {sizes[0]}, but '{first.path}' has {sizes[1]}: they are no "
            "slices of one volume. Leave out views such as localizers."
        )


def _in_order(folder: StrPath, slices: Sequence[_Slice]) -> list[_Slice]:
    """Slices in the order of their positions along their normal.

    Raises:
        DataError: Two have one position, a slice is absent, or one lies beside the others.
    """
    normal = np.cross(*slices[0].axes)
    ordered = sorted(slices, key=lambda one: float(one.place @ normal))
    places = np.stack([one.place for one in ordered])
    gaps = np.diff(places @ normal)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # one of them, and no mean of two
    for (one, other), gap in zip(pairwise(ordered), gaps.tolist(), strict=True):
        if gap <= ROUNDED_MM:
            raise DataError(
                f"'{one.path}' and '{other.path}' have the same position "
                f"{other.place.tolist()}: '{folder}' has a slice twice, or several volumes, such "
                "as phases or echoes. Put each volume into a folder of its own."
            )
        if abs(gap - usual) > max(UNEVEN * usual, ROUNDED_MM):
            raise DataError(
                f"'{one.path}' and '{other.path}' are neighbours {gap:.4g} mm apart, but other "
                f"slices of '{folder}' {usual:.4g} mm: slices are absent, or the distance varies. "
                "Copy the series again."
            )
    off = places - np.linspace(places[0], places[-1], len(places))
    # Small differences of the distances add up along the normal, and are even enough.
    beside = np.linalg.norm(off - (off @ normal)[:, None] * normal, axis=1)
    worst = int(beside.argmax())
    if beside[worst] > max(UNEVEN * usual, ROUNDED_MM):
        raise DataError(
            f"'{ordered[worst].path}' lies {beside[worst]:.4g} mm beside the line of the other "
            f"slices of '{folder}'; expected slices that are moved in one direction."
        )
    return ordered


def _read_pixels(one: _Slice) -> np.ndarray:
    """The values of a slice, `(rows, columns)`."""
    from pydicom.pixels import apply_rescale

    dataset = _read(one.path, pixels=True)
    remedy = " Copy the series again."
    with _guarded(f"DICOM file '{one.path}' does not say how its pixels are stored"):
        syntax = dataset.file_meta.TransferSyntaxUID
        packed = syntax.is_transfer_syntax and syntax.is_compressed
    if packed:
        remedy = (
            f" They are compressed ({syntax.name}): decompress them, such as by `gdcmconv --raw`, "
            "or install a decoder for pydicom, such as `pip install pylibjpeg[all]`."
        )
    with _guarded(f"the pixels of DICOM file '{one.path}' cannot be decoded", remedy):
        pixels = apply_rescale(dataset.pixel_array, dataset)
    if pixels.shape != one.size:
        raise DataError(
            f"DICOM file '{one.path}' has pixels of the shape {pixels.shape}; expected "
            f"{one.size}, one value each."
        )
    return pixels


def require_pydicom(path: StrPath) -> None:
    """Raise an error unless pydicom can be imported.

    Args:
        path: What it is to read, for the message.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"'{path}' is of DICOM files, which the package pydicom reads; it is not installed: "
            f"`{install_line('dicom')}`. Or convert it to NIfTI, such as by `{CONVERT}`."
        ) from error
