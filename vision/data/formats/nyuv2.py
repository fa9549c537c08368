"""The labelled set of NYU Depth V2: one MATLAB 7.3 file, which is HDF5, of all images.

Its arrays are stored column by column: read as HDF5, an image is (3, width, height) and a depth map
(width, height). Images are read one by one; an open file is never shared between processes.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vision.data.files.finding import read_bytes
from vision.data.formats.cameras import NO_CAMERAS, KnownCameras
from vision.data.formats.dense_files import DenseImage, DenseIndex
from vision.data.formats.matlab import read_variable
from vision.data.transforms.dense_targets import DenseTargets
from vision.documents.text import read_lines
from vision.errors import DataError, ImageError, MissingPackageError, listed
from vision.extras import install_line
from vision.ops.depth_maps import check_depth
from vision.options import UNEXPECTED
from vision.reading import MAX_ARCHIVE_BYTES, MAX_SETTINGS_BYTES, open_file

LABELED, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
# Variables of the file of splits, and lists that may be there instead.
PARTS = {"train": ("trainNdxs", "train.txt"), "val": ("testNdxs", "test.txt")}
# Depth with its holes filled, and as it was measured.
DEPTHS = {"filled": "depths", "raw": "rawDepths"}
IMAGES = "images"
# Where a file says what it is, and where HDF5 begins in one of MATLAB's.
_TEXT, _HDF5_AT, _HDF5 = 116, 512, b"\x89HDF\r\n\x1a\n"
_RELEASE = "Expected the labelled set as it is published, MATLAB 7.3 with images and depths"


class NumberedNames(Sequence[str]):
    """Names of the images of a file, by their numbers, such as `FILE/00001.png`.

    Args:
        path: The file.
        numbers: int64 `(N,)`, from 1 on.
    """

    def __init__(self, path: Path, numbers: np.ndarray) -> None:
        self.path = path
        self.numbers = numbers

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return f"{self.path}/{int(self.numbers[index]):05d}.png"

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, kw_only=True)
class LabeledIndex(DenseIndex):
    """Images of the file of all.

    Attributes:
        path: The file.
        numbers: int64 `(N,)` number of each image, from 1 on.
        depth: Name of the variable of the depth.
        cameras: What is known of the cameras.
        derive: Makes the targets of an image from its depth and camera, and its name; None takes
            these.
    """

    path: Path
    numbers: np.ndarray
    depth: str
    cameras: KnownCameras = NO_CAMERAS
    derive: Callable[[DenseTargets, str], DenseTargets] | None = None

    @property
    def images(self) -> NumberedNames:  # type: ignore[override]
        """Name of each image."""
        return NumberedNames(self.path, self.numbers)

    @property
    def target_names(self) -> NumberedNames:  # type: ignore[override]
        """Name of the depth of each."""
        return self.images

    def load(self, place: int, *, targets: bool = True, strict: bool = False) -> DenseImage:
        """Read an image, and its depth.

        Raises:
            ImageError: The file is absent or damaged.
            DataError: A depth is negative, infinite or NaN.
        """
        number = int(self.numbers[place])
        name = self.images[place]
        pixels = _read(self.path, IMAGES, number).transpose(0, 2, 1)
        image = torch.from_numpy(np.ascontiguousarray(pixels))
        if not targets:
            return DenseImage(image, None)
        stored = _read(self.path, self.depth, number).T
        depth = np.ascontiguousarray(stored, dtype=np.float32)
        check_depth(depth, name, "Take the file as it is published.")
        found = DenseTargets(depth=depth, camera=self.cameras.of(name, depth.shape))
        return DenseImage(image, found if self.derive is None else self.derive(found, name))

    def take(self, chosen: np.ndarray) -> "LabeledIndex":
        """The images at some indices, int64 `(n,)`, as an index of their own."""
        return replace(self, numbers=self.numbers[chosen])


def count_images(path: Path, depth: str) -> int:
    """Number of images in a file, whose variables are checked.

    Args:
        path: The file.
        depth: Name of the variable of the depth.

    Raises:
        DataError: The file is absent, of MATLAB 5, cut, or has other variables.
        MissingPackageError: h5py is not installed.
    """
    _require_hdf5(path)
    file = _open(path)
    absent = [name for name in (IMAGES, depth) if name not in file]
    if absent:
        raise DataError(
            f"'{path}' has no variable {listed(map(repr, absent))}, but {listed(sorted(file))}. "
            f"{_RELEASE}."
        )
    images, depths = file[IMAGES].shape, file[depth].shape
    if len(images) != 4 or images[1] != 3 or depths != (images[0], *images[2:]):
        raise DataError(
            f"'{path}' has {IMAGES} of the shape {images} and {depth} of {depths}; expected "
            f"(N, 3, width, height) and (N, width, height). {_RELEASE}."
        )
    if file[IMAGES].dtype != np.uint8 or not np.issubdtype(file[depth].dtype, np.floating):
        raise DataError(
            f"'{path}' has {IMAGES} of {file[IMAGES].dtype} and {depth} of {file[depth].dtype}; "
            f"expected uint8 and floats in metres. {_RELEASE}."
        )
    return images[0]


def read_split(root: Path, split: str, count: int | None = None) -> np.ndarray:
    """The numbers of the images of a split.

    Args:
        root: Folder of `splits.mat`, or of `train.txt` and `test.txt` with a number in each line.
        split: `"train"` or `"val"`, which is the test set.
        count: Number of images that there are; None if it is not known.

    Returns:
        int64 `(N,)`, from 1 on.

    Raises:
        DataError: No file says it, or it is broken.
    """
    variable, name = PARTS[split]
    path = root / SPLITS
    if path.is_file():
        numbers = _from_matlab(path, variable)
    elif (path := root / name).is_file():
        lines = read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="list of images")
        numbers = np.array([int(line) if line.isdecimal() else 0 for line in lines], dtype=np.int64)
    else:
        raise DataError(
            f"no file says which images are the {split} set: there is neither '{root / SPLITS}' "
            f"nor '{path}'. Copy splits.mat of the dataset's page, or write the numbers of the "
            "images, from 1 on, into train.txt and test.txt, one a line."
        )
    largest = count if count is not None else int(numbers.max(initial=1))
    wrong = numbers[(numbers < 1) | (numbers > largest)]
    if not len(numbers) or len(wrong) or len(np.unique(numbers)) < len(numbers):
        what = f"the number {wrong[0]}" if len(wrong) else "no numbers, or one twice"
        raise DataError(f"'{path}' has {what}; expected numbers of images, from 1 to {largest:,}.")
    return numbers


def _from_matlab(path: Path, variable: str) -> np.ndarray:
    try:
        return np.asarray(read_variable(read_bytes(path), variable)).astype(np.int64).ravel()
    except KeyError:
        raise DataError(f"'{path}' has no variable '{variable}'. Take it as published.") from None
    except DataError:
        raise
    except Exception as error:  # SciPy's reader raises many kinds
        raise DataError(f"'{path}' cannot be read: {error}. Copy it again.") from error


def _require_hdf5(path: Path) -> None:
    """Raise an error that says what a file is, if it is not MATLAB 7.3."""
    with open_file(path, max_bytes=MAX_ARCHIVE_BYTES, what="labelled set") as file:
        begin = file.read(_HDF5_AT + len(_HDF5))
    if begin.startswith(_HDF5) or begin.endswith(_HDF5):
        return
    kind = begin[:_TEXT].decode("latin-1").strip() if begin.startswith(b"MATLAB") else ""
    found = f"is a file of {kind[:40]!r}" if kind else f"begins with {begin[:12]!r}"
    raise DataError(
        f"'{path}' {found}. {_RELEASE} (HDF5); save it with the option '-v7.3', or download it "
        "again."
    )


def _read(path: Path, variable: str, number: int) -> np.ndarray:
    """An image or a depth map of a file, as it is stored."""
    try:
        return _open(path)[variable][number - 1]
    except (*UNEXPECTED, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise ImageError(
            f"'{path}' cannot be read at {variable} {number}: {_reason(error)}. Copy or download "
            "it again."
        ) from error


def _open(path: Path) -> Any:
    """The open file, of this process: HDF5 must not use that of the process it was forked from."""
    try:
        state = path.stat()
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read: {_reason(error)}.") from error
    # A file that replaced another one is opened again.
    return _open_once(path, os.getpid(), (state.st_ino, state.st_mtime_ns))


@lru_cache(maxsize=4)
def _open_once(path: Path, process: int, version: tuple[int, int]) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingPackageError(
            f"'{path}' is read by the package h5py, which is not installed: "
            f"`{install_line('depth')}`."
        ) from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ImageError(
            f"'{path}' is not whole: {_reason(error)}. Copy or download it again."
        ) from error


def _reason(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
