"""Files that hold the projection of a camera, or KITTI's calibration of a camera and a lidar.

A projection is float64 `(3, 4)`: it takes `(x, y, z, 1)` in metres, x right, y down, z forward, to
`(u w, v w, w)`, where u is the column and v the row in pixels, and w the depth in metres. Its
fourth column is that of a camera beside the origin, as KITTI's `P2` is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.documents.text import read_text
from vision.errors import ConfigError, DataError, listed, shown, suggest
from vision.reading import MAX_SETTINGS_BYTES

EXPECTED = (
    "Expected KITTI's calibration with a line 'P2:' of twelve numbers, the matrix of 3 x 4 or of "
    "3 x 3 (fx 0 cx 0 fy cy 0 0 1), or fx fy cx cy, in pixels."
)
# Line of KITTI's calibration, and its shape.
SHAPES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}
_COPY = "Copy the calibration of that image again."
_CORRECT = "Correct the numbers, or calibrate the camera again."
# Of the largest number: what counts as zero in a matrix that was written with six digits.
_ROUNDING = 1e-5
# By how much the axes of a rotation may be from unit length and from right angles.
_ROTATION = 1e-3


class KittiCalibration(NamedTuple):
    """The camera and the lidar of an image of KITTI.

    Attributes:
        projection: float64 `(3, 4)`, `P2`.
        lidar_to_camera: float64 `(4, 4)`, moves `(x, y, z, 1)` of the lidar (x forward, y left, z
            up) to the frame of the camera, `R0_rect @ Tr_velo_to_cam`.
    """

    projection: np.ndarray
    lidar_to_camera: np.ndarray


class _Line(NamedTuple):
    number: int
    words: list[str]


def read_projection(
    path: Path, name: str = "P2", *, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Read the projection of a camera.

    Args:
        path: A text file: KITTI's calibration, whose line `name` is read; a matrix of 3 x 4 or 3 x
            3; `fx fy cx cy`; or with a `size` the focal length in pixels alone. Numbers stand
            between spaces, commas or new lines.
        name: Of the line of a calibration.
        size: Height and width of the image in pixels, for a focal length alone.

    Returns:
        float64 `(3, 4)`.

    Raises:
        DataError: The file is absent, has no such line, another count of numbers or what is no
            number, or the matrix is none of a camera; the message has file and line.
    """
    text = read_text(path, max_bytes=MAX_SETTINGS_BYTES, what="calibration")
    named = _named_lines(text)
    if named:
        line = _find(named, name, path)
        where = f"line {line.number} ({name}) of the calibration '{path}'"
        return check_projection(_numbers(line.words, where, (12,)), where, DataError)
    where = f"the calibration '{path}'"
    numbers = _numbers(text.replace(",", " ").split(), where, (1, 4, 9, 12))
    if len(numbers) != 1:
        return check_projection(numbers, where, DataError)
    if size is None:
        raise DataError(
            f"{where} holds the one number {numbers[0]:g}: a focal length, which needs the size of "
            f"the image. {EXPECTED}"
        )
    return focal_projection(numbers[0], size, f"the focal length of {where}", DataError)


def focal_projection(
    focal_px: float,
    size: tuple[int, int],
    name: str = "the focal length",
    error: type[DataError | ConfigError] = ConfigError,
) -> np.ndarray:
    """The projection of a camera that looks through the middle of its image.

    Args:
        focal_px: Its focal length in pixels.
        size: Height and width of the image in pixels.
        name: What messages call the focal length.
        error: Class of the error.

    Returns:
        float64 `(3, 4)`.

    Raises:
        ConfigError: The focal length is not a finite number above 0.
    """
    height, width = size
    return check_projection([focal_px, focal_px, width / 2, height / 2], name, error)


def check_projection(
    numbers: Sequence[float] | np.ndarray,
    name: str = "the calibration",
    error: type[DataError | ConfigError] = ConfigError,
) -> np.ndarray:
    """Check the projection of a camera.

    Args:
        numbers: The matrix of 3 x 4 or 3 x 3, nested or row by row, or `(fx, fy, cx, cy)`.
        name: What messages call it.
        error: Class of the error.

    Returns:
        float64 `(3, 4)`.

    Raises:
        ConfigError: It has another count of numbers, or one that is not finite; its part of 3 x 3
            is singular; a focal length is not above 0; or it is turned or skewed.
    """
    try:
        values = np.array(numbers, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if len(values) not in (4, 9, 12) or not np.isfinite(values).all():
        raise error(f"{name} is {shown(numbers)}. {EXPECTED}")
    matrix = np.zeros((3, 4))
    if len(values) == 4:
        matrix[[0, 1, 0, 1], [0, 1, 2, 2]] = values
        matrix[2, 2] = 1.0
    else:
        matrix[:, : len(values) // 3] = values.reshape(3, -1)
    _check_camera(matrix, name, error)
    return matrix


def read_calibration(path: Path) -> KittiCalibration:
    """Read KITTI's calibration of the left colour camera and of the lidar, line by name.

    Args:
        path: A file of `training/calib` or `testing/calib`.

    Raises:
        DataError: The file is absent, lacks a line, or a line is broken; the message has the line.
    """
    named = _named_lines(read_text(path, max_bytes=MAX_SETTINGS_BYTES, what="calibration"))
    matrices = {}
    for name, shape in SHAPES.items():
        line = _find(named, name, path)
        where = f"line {line.number} ({name}) of the calibration '{path}'"
        matrix = _numbers(line.words, where, (shape[0] * shape[1],)).reshape(shape)
        if name == "P2":
            _check_camera(matrix, where, DataError)
        else:
            _check_rotation(matrix[:, :3], where)
        matrices[name] = matrix
    moved = np.eye(4)
    moved[:3] = matrices["R0_rect"] @ matrices["Tr_velo_to_cam"]
    return KittiCalibration(matrices["P2"], moved)


def _named_lines(text: str) -> dict[str, _Line]:
    """The lines `NAME: NUMBERS` of a text."""
    named = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, colon, rest = line.partition(":")
        if colon:
            named[name.strip()] = _Line(number, rest.replace(",", " ").split())
    return named


def _find(named: dict[str, _Line], name: str, path: Path) -> _Line:
    if name not in named:
        near = suggest(name, named)
        has = f" It has {listed(named)}." if named else ""
        rows, columns = SHAPES.get(name, (3, 4))
        raise DataError(
            f"the calibration '{path}' has no line '{name}:' with the numbers of a matrix of "
            f"{rows} x {columns}.{has}{near} {_COPY}"
        )
    return named[name]


def _numbers(words: list[str], where: str, counts: tuple[int, ...]) -> np.ndarray:
    """The numbers of a line or of a file.

    Raises:
        DataError: There is another count of them, or one is not a finite number.
    """
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            values.append(np.nan)
    wrong = next((w for w, v in zip(words, values, strict=True) if not np.isfinite(v)), None)
    if wrong is not None:
        raise DataError(f"{where} has {shown(wrong)}, expected finite numbers. {_COPY}")
    if len(values) not in counts:
        one = f", expected the {counts[0]} of a matrix of 3 x {counts[0] // 3}. {_COPY}"
        expected = one if len(counts) == 1 else f". {EXPECTED}"
        raise DataError(f"{where} has {len(values)} numbers{expected}")
    return np.array(values)


def _check_camera(matrix: np.ndarray, name: str, error: type[DataError | ConfigError]) -> None:
    inner = matrix[:, :3]
    largest = np.abs(inner).max()
    if abs(np.linalg.det(inner)) <= _ROUNDING**2 * largest**2:
        raise error(
            f"{name} is singular (the determinant of its 3 x 3 part is "
            f"{np.linalg.det(inner):.3g}): nothing can be located with it. {EXPECTED} {_CORRECT}"
        )
    if inner[0, 0] <= 0 or inner[1, 1] <= 0:
        raise error(
            f"{name} has the focal lengths {inner[0, 0]:g} and {inner[1, 1]:g}, expected numbers "
            f"above 0. {EXPECTED} {_CORRECT}"
        )
    rest = inner - [[inner[0, 0], 0, inner[0, 2]], [0, inner[1, 1], inner[1, 2]], [0, 0, 1]]
    if np.abs(rest).max() > _ROUNDING * largest or abs(inner[2, 2] - 1) > _ROUNDING:
        raise error(
            f"{name} is turned, skewed or scaled: {inner.tolist()}, expected zeros and a one but "
            f"for fx, fy, cx and cy. Rectify the images. {EXPECTED}"
        )


def _check_rotation(matrix: np.ndarray, where: str) -> None:
    apart = np.abs(matrix @ matrix.T - np.eye(3)).max()
    if apart > _ROTATION or np.linalg.det(matrix) < 0:
        raise DataError(
            f"{where} holds no rotation: its rows are not three right-angled directions of length "
            f"1. {_COPY}"
        )
