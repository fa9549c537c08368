"""The normals of an image as the files of a dataset hold them."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vision.data.files.finding import PathList, walk_folders
from vision.data.formats.cameras import NO_CAMERAS, KnownCameras
from vision.data.transforms.dense_targets import DenseTargets
from vision.errors import DataError
from vision.ops.normal_maps import read_normals


class NumberedFiles:
    """The files of a folder by the number in their names.

    Args:
        folder: The folder; nested or not.
        suffixes: Suffixes of the files.

    Raises:
        DataError: Two files have one number, or there is no file.
    """

    def __init__(self, folder: Path, suffixes: Sequence[str]) -> None:
        self.folder = folder
        found: dict[int, str] = {}
        paths = sorted(entry.path for _, files in walk_folders(folder) for entry in files)
        for path in paths:
            stem, suffix = os.path.splitext(os.path.basename(path))
            digits = re.search(r"\d+$", stem)
            if digits is None or suffix.lower() not in suffixes:
                continue
            number = int(digits[0])
            if number in found:
                raise DataError(f"'{found[number]}' and '{path}' have one number; remove one.")
            found[number] = path
        if not found:
            raise DataError(
                f"'{folder}' has no file with a number in its name, such as '00001{suffixes[0]}'."
            )
        self._numbers = np.array([*found])
        self._paths = PathList(found.values())

    def path(self, number: int) -> str:
        """The file of a number.

        Raises:
            DataError: There is none.
        """
        places = np.flatnonzero(self._numbers == number)
        if not len(places):
            raise DataError(f"'{self.folder}' has no file of the number {number}.")
        return self._paths[int(places[0])]


@dataclass(frozen=True, kw_only=True)
class NormalsReader:
    """Reads the normal maps of a dataset.

    Attributes:
        negate: Axes, of `"x"`, `"y"`, `"z"`, that point the other way in the files.
        cameras: What is known of the cameras.
    """

    negate: Sequence[str] = ()
    cameras: KnownCameras = NO_CAMERAS

    def __call__(self, path: str) -> DenseTargets:
        """Read a normal map.

        Raises:
            DataError: It is absent or broken, or its vectors are not of length 1.
        """
        signs = np.array([-1.0 if axis in self.negate else 1.0 for axis in "xyz"])
        normals = np.nan_to_num(read_normals(Path(path)) * signs)
        planes = np.ascontiguousarray(normals.transpose(2, 0, 1), dtype=np.float32)
        camera = self.cameras.of(path, (planes.shape[1], planes.shape[2]))
        return DenseTargets(normals=planes, camera=camera)


@dataclass(frozen=True, kw_only=True)
class NumberedNormals:
    """Reads the normal maps of images of one file by their numbers.

    Attributes:
        files: The maps.
        read: Reads one.
    """

    files: NumberedFiles
    read: NormalsReader

    def __call__(self, known: DenseTargets, name: str) -> DenseTargets:
        """Read the normal map of an image.

        Args:
            known: Its depth and camera.
            name: Its name, which ends with its number.

        Raises:
            DataError: It is absent, broken or has another size.
        """
        path = self.files.path(int(Path(name).stem))
        found = self.read(path)
        if found.size != known.size:
            raise DataError(
                f"'{path}' is {found.size[0]} x {found.size[1]} pixels (height x width), but its "
                f"image '{name}' is {known.size[0]} x {known.size[1]}. Put back the files that "
                "belong together."
            )
        return replace(found, camera=known.camera)
