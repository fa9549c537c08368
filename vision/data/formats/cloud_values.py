"""What the numbers of a file of points have to be, so that nothing is trained on others.

Letters: P points.
"""

import os

import numpy as np

from vision.errors import ConfigError, DataError
from vision.reading import shown_path

# Full brightness of a colour of 8 bits.
FULL = 255.0
# Sides of rooms and buildings in metres. A smaller or larger one is in another unit.
MIN_EXTENT, MAX_EXTENT = 0.1, 1000.0
# Metres: coordinates of 32 bits far from 0 have larger steps, and points fall onto one another.
MAX_STEP = 0.01
UNIT = "Give data.unit_m={}"

StrPath = str | os.PathLike[str]


def broken_npy(path: StrPath, error: Exception) -> DataError:
    """The error about a file that numpy does not read, without numpy's advice to unpickle it."""
    reason = str(error).partition(chr(10))[0].rstrip(".")
    if "pickle" in reason:
        reason = "it is text, or holds Python objects"
    return DataError(
        f"{shown_path(path)} is no npy file of numbers: {reason}. Write it with numpy.save, whole."
    )


def check_places(points: np.ndarray, path: StrPath) -> np.ndarray:
    """Check the coordinates of points.

    Args:
        points: Numbers `(P, 3)`.
        path: Their file.

    Returns:
        float64 where they are stored so or as whole numbers, else float32.

    Raises:
        DataError: There are no points, or a coordinate is no finite number.
    """
    if not len(points):
        raise DataError(f"{shown_path(path)} is empty: it holds no points. Remove it.")
    wide = points.dtype.kind != "f" or points.dtype.itemsize > 4
    points = np.ascontiguousarray(points, np.float64 if wide else np.float32)
    broken = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(broken):
        raise DataError(
            f"{shown_path(path)}: {len(broken):,} of {len(points):,} points have coordinates that "
            f"are no finite numbers, first point {broken[0]:,} (from 0): "
            f"{points[broken[0]].tolist()}. Remove these points."
        )
    return points


def check_extent(points: np.ndarray, path: StrPath, *, mend: str = UNIT) -> None:
    """Check that points are in metres, as far as their extent says.

    Args:
        points: float `(P, 3)`, finite, in metres.
        path: Their file.
        mend: What to do about another unit; `{}` is its number.

    Raises:
        DataError: The longest side of their box is below 10 cm or above 1 km, or the steps between
            the numbers that they are stored as are above 1 cm.
    """
    sides = points.max(axis=0).astype(np.float64) - points.min(axis=0)
    longest = float(sides.max())
    if MIN_EXTENT <= longest <= MAX_EXTENT:
        _check_steps(points, path)
        return
    if longest > MAX_EXTENT:
        guess = f"Are they in millimetres? {mend.format(0.001)}, or remove points far off"
    elif not longest:
        guess = "All points are in one place: leave the file out"
    else:
        guess = f"Are they in kilometres? {mend.format(1000)}, or leave the file out"
    raise DataError(
        f"{shown_path(path)}: the points extend over {longest:,.4g} metres; expected "
        f"{MIN_EXTENT:g} to {MAX_EXTENT:,.0f}. {guess}."
    )


def _check_steps(points: np.ndarray, path: StrPath) -> None:
    largest = np.abs(points).max()
    step = float(np.spacing(largest))
    if step > MAX_STEP:
        raise DataError(
            f"{shown_path(path)}: coordinates up to {float(largest):,.0f} metres are stored as "
            f"{points.dtype}, which has steps of {step:.3g} metres there; expected at most "
            f"{MAX_STEP:g}. Subtract what all have in common, or write them as float64."
        )


def check_full(full: float) -> None:
    """Raise a `ConfigError` unless a number for full brightness is 255 or 1."""
    if full not in (FULL, 1.0):
        raise ConfigError(f"full_color={full!r} must be 255 or 1.")


def to_colors(colors: np.ndarray, count: int, path: StrPath, *, full: float = FULL) -> np.ndarray:
    """Bring colours to 8 bits.

    Args:
        colors: Numbers `(P, 3)`, red, green and blue.
        count: Number of points.
        path: Their file.
        full: As in `vision.data.formats.clouds.read_cloud`.

    Returns:
        uint8 `(P, 3)`.

    Raises:
        DataError: There are others than points, they are out of their range, or are in 0 to 1 where
            0 to 255 is expected, or the reverse.
    """
    _require_shape(colors, (count, 3), "colours", path)
    if colors.dtype == np.uint8:
        return np.ascontiguousarray(colors)
    if colors.dtype.kind != "f":
        full = FULL
    low, high = (float(pick(colors)) for pick in (np.min, np.max))
    if not (low >= 0 and high <= full):  # NaN is neither
        _refuse_colors(colors, path, full)
    if full == FULL and colors.dtype.kind == "f" and 0 < high <= 1:
        raise DataError(
            f"{shown_path(path)}: all colours are in 0 to 1 (largest {high:.4g}); expected 0 to "
            "255. Give data.full_color=1, or multiply them by 255."
        )
    scaled = colors if full == FULL else colors.astype(np.float64) * FULL
    return np.rint(scaled).astype(np.uint8)


def _refuse_colors(colors: np.ndarray, path: StrPath, full: float) -> None:
    wrong = np.flatnonzero(~((colors >= 0) & (colors <= full)).all(axis=1))
    values = colors[wrong[0]].tolist()
    mend = "Bring them to that range"
    if full == 1 and np.nanmax(colors) <= FULL:
        mend = "They look like 0 to 255: give data.full_color=255"
    raise DataError(
        f"{shown_path(path)}: colours of {len(wrong):,} of {len(colors):,} points are not in 0 to "
        f"{full:g}, first point {wrong[0]:,} (from 0): {values}. {mend}."
    )


def to_normals(normals: np.ndarray, count: int, path: StrPath) -> np.ndarray:
    """Bring normals to unit length.

    Args:
        normals: Numbers `(P, 3)`.
        count: Number of points.
        path: Their file.

    Returns:
        float32 `(P, 3)`; those of length 0 stay so.

    Raises:
        DataError: There are others than points, or a number is not finite.
    """
    _require_shape(normals, (count, 3), "normals", path)
    normals = normals.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(normals).all(axis=1))
    if len(broken):
        raise DataError(
            f"{shown_path(path)}: normals of {len(broken):,} points are no finite numbers, first "
            f"point {broken[0]:,} (from 0). Set them to 0, or remove these points."
        )
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def to_labels(label: np.ndarray, count: int, path: StrPath) -> np.ndarray:
    """Bring labels to whole numbers.

    Args:
        label: Numbers `(P,)`, or `(P, 1)`.
        count: Number of points.
        path: Their file.

    Returns:
        int64 `(P,)`.

    Raises:
        DataError: There are more or fewer than points, or one is no whole number.
    """
    label = label[:, 0] if label.ndim == 2 and label.shape[1] == 1 else label
    _require_shape(label, (count,), "labels", path)
    if label.dtype.kind not in "fiub":
        raise DataError(f"{shown_path(path)}: labels are {label.dtype}; expected whole numbers.")
    if label.dtype.kind == "f":
        wrong = np.flatnonzero(~(label == np.rint(label)))
        if len(wrong):
            raise DataError(
                f"{shown_path(path)}: labels of {len(wrong):,} of {count:,} points are no whole "
                f"numbers, first point {wrong[0]:,} (from 0): {label[wrong[0]]}. Is the last column"
                " something else?"
            )
    return label.astype(np.int64)


def _require_shape(values: np.ndarray, shape: tuple[int, ...], what: str, path: StrPath) -> None:
    if values.shape != shape:
        raise DataError(
            f"{shown_path(path)}: {what} have the shape {values.shape}, and there are {shape[0]:,} "
            f"points; expected {shape}, one for each point."
        )
