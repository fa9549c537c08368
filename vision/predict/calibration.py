"""The cameras of images that are predicted: one for all, a file for each, or a focal length."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from vision.data.formats.projections import check_projection, focal_projection, read_projection
from vision.errors import ConfigError, DataError, listed, shown
from vision.reading import user_path

# What a person may give, and what is kept of it: a path, or numbers.
CameraLike = (
    str
    | os.PathLike[str]
    | float
    | Sequence[float]
    | Sequence[Sequence[float]]
    | np.ndarray
    | Tensor
)
Kept = str | tuple[float, ...]
EXPECTED = (
    "Give a file (KITTI's calibration, or a matrix of 3 x 4 or 3 x 3), a folder with such a file "
    "NAME.txt for each image NAME.png, fx,fy,cx,cy in pixels, or one focal length in pixels."
)
SUFFIX = ".txt"


def keep_camera(given: CameraLike) -> Kept:
    """What is kept of a camera: the path of a file or folder, or its numbers row by row.

    Args:
        given: A path, or text of numbers between commas or spaces; numbers; or a matrix.

    Raises:
        ConfigError: It is neither, or no camera has such numbers.
        DataError: The file or folder is absent.
    """
    if isinstance(given, str | os.PathLike):
        path = user_path(given)
        if path.exists():
            return str(path)
        numbers = _numbers(os.fspath(given))
        if numbers is None:
            raise DataError(
                f"there is no calibration '{given}' (looked at {path.absolute()}). {EXPECTED}"
            )
    else:
        try:
            numbers = tuple(np.asarray(given, dtype=np.float64).reshape(-1).tolist())
        except (TypeError, ValueError) as error:
            raise ConfigError(f"camera={shown(given)} is no camera. {EXPECTED}") from error
    if len(numbers) != 1:
        check_projection(numbers, "camera")
    elif not 0 < numbers[0] < math.inf:
        raise ConfigError(
            f"camera={numbers[0]:g} is no focal length, which is above 0, in pixels. {EXPECTED}"
        )
    return numbers


class Cameras:
    """The projection of the camera of each image.

    Args:
        kept: Of `keep_camera`.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._read: dict[tuple[int, int], np.ndarray] = {}

    def projection(self, path: str | None, size: tuple[int, int]) -> np.ndarray:
        """The projection to an image, float64 `(3, 4)`.

        Args:
            path: File of the image; None for one in memory.
            size: Its height and width in pixels.

        Raises:
            ConfigError: Each image has its own file, and this one is in memory.
            DataError: A file is absent or broken.
        """
        if not isinstance(self._kept, str):
            if len(self._kept) == 1:
                return focal_projection(self._kept[0], size)
            return check_projection(self._kept, "camera")
        place = Path(self._kept)
        if place.is_dir():
            return read_projection(file_for(place, path), size=size)
        if size not in self._read:
            self._read = {size: read_projection(place, size=size)}
        return self._read[size]


def file_for(
    folder: Path,
    path: str | None,
    *,
    unit: str = "image",
    instead: str = "one file, a matrix, or a focal length in pixels",
    expected: str = EXPECTED,
) -> Path:
    """The calibration of an image or a sweep in a folder.

    Args:
        folder: The folder.
        path: File of the image; None for one in memory.
        unit: What it is, for messages.
        instead: What may be given for one in memory, for messages.
        expected: What may be given at all, a sentence.

    Raises:
        ConfigError: It is in memory, and has no name.
        DataError: There is no such file.
    """
    if path is None:
        raise ConfigError(
            f"camera='{folder}' is a folder with a file for each {unit}, and what is in memory has "
            f"no name: give {instead}."
        )
    file = folder / f"{Path(path).stem}{SUFFIX}"
    if not file.is_file():
        others = sorted(one.name for one in folder.glob(f"*{SUFFIX}"))
        has = f"it has {listed(others, maximum=3)}" if others else f"it has no file {SUFFIX}"
        raise DataError(f"the {unit} '{path}' has no calibration '{file}'; {has}. {expected}")
    return file


def _numbers(text: str) -> tuple[float, ...] | None:
    """The numbers of a text; None if it holds something else."""
    try:
        numbers = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        return None
    return numbers if numbers and all(map(math.isfinite, numbers)) else None
