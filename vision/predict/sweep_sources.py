"""Sweeps of a lidar as sources of predictions: files, folders, patterns, arrays.

Letters: P points, C numbers of a point.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vision.data.formats.ply import read_ply
from vision.data.formats.sweep_files import BIN, NPY, check_points, read_sweep
from vision.data.transforms.lidar import LidarEvalTransform
from vision.errors import DataError, ImageError, listed
from vision.predict.file_sources import FileSources

PLY = ".ply"
SUFFIXES = (BIN, NPY, PLY)
AXES = ("x", "y", "z")
# Names in PLY files of what a lidar measures beside the place, in [0, 1].
MEASURED = ("reflectance", "intensity", "scalar_intensity", "scalar_Intensity")


@dataclass(frozen=True, eq=False)
class UnreadSweep:
    """A sweep of a source, not read yet.

    Attributes:
        index: Its number in the source, from 0.
        given: Its file, or its points.
        numbers: Numbers C of a point that the model reads.
        transform: What makes its input, of points within a range.
    """

    index: int
    given: str | np.ndarray | Tensor
    numbers: int
    transform: LidarEvalTransform

    @property
    def path(self) -> str | None:
        """Its file; None for one in memory."""
        return self.given if isinstance(self.given, str) else None

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.path or f"sweep {self.index}"

    def read(self) -> np.ndarray:
        """Read its points, float32 `(P, C)`.

        Raises:
            ImageError: The file is absent or broken, points have other numbers than the model's,
                these are not finite or not metres, or none is within the range.
        """
        points = self._points()
        if not self.transform.within(points).any():
            low, high = (
                ", ".join(f"{value:.4g}" for value in limit(points[:, :3], axis=0))
                for limit in (np.min, np.max)
            )
            raise ImageError(
                f"{self._shown}: none of its {len(points):,} points is within the range of the "
                f"model, {self.transform.options['point_range']}: they are from ({low}) to "
                f"({high}). Bring them to metres, x forward, y left and z up from the lidar."
            )
        return points

    @property
    def _shown(self) -> str:
        """What messages begin with."""
        return "the array" if self.path is None else f"sweep '{self.path}'"

    def _points(self) -> np.ndarray:
        if not isinstance(self.given, str):
            return self._checked(np.asarray(self.given))
        suffix = Path(self.given).suffix.lower()
        if suffix not in SUFFIXES:
            raise ImageError(
                f"{self._shown} is no sweep by its name; expected a file that ends in "
                f"{listed(SUFFIXES)}. Give sweeps, or name them so."
            )
        if suffix == PLY:
            try:
                columns = read_ply(self.given)
            except DataError as error:
                raise ImageError(str(error)) from error
            return self._checked(self._from_ply(columns))
        return read_sweep(self.given, self.numbers)

    def _checked(self, points: np.ndarray) -> np.ndarray:
        if points.ndim != 2 or points.shape[1] != self.numbers or points.dtype.kind != "f":
            raise ImageError(
                f"{self._shown} is {points.dtype} {points.shape}; expected floats (P, "
                f"{self.numbers}), x, y, z in metres first, as the model reads."
            )
        points = points.astype(np.float32)
        check_points(points, self._shown, ImageError)
        return points

    def _from_ply(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """x, y, z, and the first of what is measured; zero for numbers that the file lacks."""
        missing = [axis for axis in AXES if axis not in columns]
        if missing:
            raise ImageError(
                f"{self._shown} has no property {missing[0]!r}, but {listed(columns)}; expected x, "
                "y and z of each vertex, in metres."
            )
        named = [columns[axis] for axis in AXES]
        named += [columns[name] for name in MEASURED if name in columns][: self.numbers - 3]
        points = np.zeros((len(named[0]), self.numbers), np.float32)
        points[:, : len(named)] = np.stack(named, axis=1)
        return points


class SweepSources(FileSources):
    """Sweeps in `.bin`, `.npy` and PLY files, or arrays.

    Args:
        numbers: Numbers of a point that the model reads.
        transform: What makes its input.
    """

    unit = "sweeps"
    suffixes = SUFFIXES
    expected = (
        "a sweep (.bin of float32, .npy or .ply), a folder or a pattern of them, an array of "
        "points (P, C), or a list of these"
    )

    def __init__(self, numbers: int, transform: LidarEvalTransform) -> None:
        self.numbers, self.transform = numbers, transform

    def in_memory(self, source: Any) -> bool:
        """Whether it is an array or a tensor."""
        return isinstance(source, np.ndarray | Tensor)

    def unread(self, index: int, given: Any) -> UnreadSweep:
        """A sweep that is read later."""
        known = os.fspath(given) if isinstance(given, str | os.PathLike) else given
        return UnreadSweep(index, known, self.numbers, self.transform)
