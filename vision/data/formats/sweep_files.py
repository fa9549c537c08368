"""Sweeps of a lidar in files: rows of floats, of which x, y and z in metres come first.

Letters: P points, C numbers of a point.
"""

from pathlib import Path

import numpy as np

from vision.data.files.mapped_arrays import parse_array
from vision.errors import DataError, ImageError
from vision.reading import MAX_IMAGE_BYTES, StrPath, read_file
from vision.wording import counted

# As KITTI writes them, and as NumPy does.
BIN, NPY = ".bin", ".npy"
SUFFIXES = (BIN, NPY)
# Of KITTI: x, y, z and the reflectance. nuScenes has the number of the ring as well.
NUMBERS = 4
# Extents that no sweep in metres has.
MIN_EXTENT_M, MAX_EXTENT_M = 0.1, 1000.0
AXES = ("x", "y", "z")
_BYTES = 4
_COPY = "Copy the file again."


def read_sweep(path: StrPath, numbers: int | None = NUMBERS) -> np.ndarray:
    """Read the points of a sweep.

    Args:
        path: A `.npy` file of an array of floats `(P, C)`, or any other file of float32 numbers,
            least byte first, point by point, as KITTI's `.bin`.
        numbers: C. None takes that of a `.npy` file, and 4 of others.

    Returns:
        float32 `(P, C)`, a copy that may be written to.

    Raises:
        ImageError: The file is absent or empty; its length is not that of whole points; a number
            is not finite; or the points cannot be in metres.
    """
    data = read_file(path, max_bytes=MAX_IMAGE_BYTES, what="sweep", error=ImageError)
    if not data:
        raise ImageError(f"sweep '{path}' is empty (0 bytes): it has no point. {_COPY}")
    if Path(path).suffix.lower() == NPY:
        points = _from_npy(data, path, numbers)
    else:
        points = _from_floats(data, path, NUMBERS if numbers is None else numbers)
    check_points(points, f"sweep '{path}'", ImageError)
    return points


def check_points(points: np.ndarray, name: str, error: type[DataError] = DataError) -> None:
    """Raise an error for points that are none in metres.

    Args:
        points: Floats `(P, C)`, x, y and z first.
        name: What messages call them.
        error: Class of the error.

    Raises:
        DataError: There is none, a number is not finite, or the extent of the points is above 1 km
            or below 10 cm.
    """
    if not len(points):
        raise error(f"{name} has no point. {_COPY}")
    finite = np.isfinite(points)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        bad = int((~finite).any(axis=1).sum())
        what = AXES[column] if column < len(AXES) else f"number {column + 1}"
        raise error(
            f"{name}: {what} of point {row:,} (the first is 0) is {points[row, column]}, expected "
            f"finite numbers; so it is with {counted(bad, 'points')} of {len(points):,}. Remove "
            "these points."
        )
    # In float64: the extent of float32 numbers may be above the largest of them.
    extent = np.ptp(points[:, :3].astype(np.float64), axis=0)
    largest = int(extent.argmax())
    span = f"{name}: its points span {extent[largest]:,.4g} along {AXES[largest]}"
    if extent[largest] > MAX_EXTENT_M:
        raise error(
            f"{span}, expected metres, of which a sweep has {MAX_EXTENT_M:,.0f} at most. If these "
            "are millimetres or centimetres, divide x, y and z by 1000 or 100."
        )
    if extent[largest] < MIN_EXTENT_M:
        raise error(
            f"{span}, expected metres, of which a sweep has {MIN_EXTENT_M:g} at least. If these "
            "are kilometres, or were scaled to 0 to 1, bring x, y and z back to metres."
        )


def _from_floats(data: bytes, path: StrPath, numbers: int) -> np.ndarray:
    point = numbers * _BYTES
    if len(data) % point:
        raise ImageError(
            f"sweep '{path}' has {len(data):,} bytes, expected a multiple of {point}: {numbers} "
            f"numbers of float32 for each point ({len(data) // point:,} points and "
            f"{counted(len(data) % point, 'bytes')} more). {_COPY[:-1]}, or set the number of "
            "numbers that its points have."
        )
    return np.frombuffer(data, "<f4").reshape(-1, numbers).astype(np.float32)


def _from_npy(data: bytes, path: StrPath, numbers: int | None) -> np.ndarray:
    try:
        array = parse_array(data, f"sweep '{path}'")
    except DataError as error:
        raise ImageError(f"{error} Write it again with numpy.save.") from error
    columns = "3 or more" if numbers is None else f"{numbers}"
    fits = array.ndim == 2 and (
        array.shape[1] >= 3 if numbers is None else array.shape[1] == numbers
    )
    if not fits or not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"sweep '{path}' holds {array.dtype} {array.shape}, expected floats (P, {columns}): a "
            "row of x, y, z and what else is measured for each point. Write it again."
        )
    return array.astype(np.float32)
