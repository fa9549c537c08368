"""Files that hold the camera of an image: text of four or of nine numbers."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vision.documents.text import read_lines
from vision.errors import DataError, shown
from vision.ops.camera import check_camera
from vision.reading import MAX_SETTINGS_BYTES, user_path

# The camera of all images of a dataset, or what gives that of an image from the path of a file.
Camera = np.ndarray | Callable[[str], np.ndarray | None]
FILE, FOLDER, SUFFIX = "camera.txt", "cameras", ".txt"
EXPECTED = (
    "Expected four numbers, fx fy cx cy in pixels, or the nine of the matrix of the camera, "
    "fx 0 cx 0 fy cy 0 0 1, with spaces, commas or new lines between them."
)


def read_camera(path: Path) -> np.ndarray:
    """Read a camera without distortion.

    Args:
        path: A text file: `fx fy cx cy` in pixels, or a matrix of 3 x 3.

    Returns:
        float64 `(4,)`: `(fx, fy, cx, cy)`.

    Raises:
        DataError: It is absent or holds something else.
    """
    lines = read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="camera")
    words = " ".join(lines).replace(",", " ").split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise DataError(f"'{path}' holds {shown(' '.join(words))}. {EXPECTED}") from None
    if len(numbers) == 9:
        fx, skew, cx, zero, fy, cy, *last = numbers
        if (skew, zero, *last) != (0, 0, 0, 0, 1):
            raise DataError(f"'{path}' holds a matrix with other numbers. {EXPECTED}")
        numbers = [fx, fy, cx, cy]
    if len(numbers) != 4:
        raise DataError(f"'{path}' holds {len(numbers)} numbers. {EXPECTED}")
    return check_camera(numbers, f"the camera '{path}'", DataError)


@dataclass(frozen=True, kw_only=True)
class KnownCameras:
    """What is known of the cameras of a dataset.

    Attributes:
        given: That of all images, or what gives that of an image from the path of its targets; None
            if it is not known.
        of_sizes: Those of images of a height and width, where none is given.
    """

    given: Camera | None = None
    of_sizes: Mapping[tuple[int, int], Sequence[float]] = field(default_factory=dict)

    def of(self, path: str, size: tuple[int, int]) -> np.ndarray | None:
        """The camera of an image of a size, float64 `(4,)`; None if it is not known.

        Raises:
            DataError: Its file is absent or broken.
        """
        if self.given is not None:
            return self.given(path) if callable(self.given) else self.given
        found = self.of_sizes.get(size)
        return None if found is None else np.array(found)


NO_CAMERAS = KnownCameras()


@dataclass(frozen=True)
class CameraFolder:
    """A camera file for each image.

    Attributes:
        folder: Their folder.
        beside: The folder of the files that they go with: they have the same relative paths, except
            the suffix, which is `.txt`.
    """

    folder: Path
    beside: Path

    def __call__(self, path: str) -> np.ndarray:
        """The camera that goes with a file.

        Raises:
            DataError: There is none, or it is broken.
        """
        name = os.path.splitext(os.path.relpath(path, self.beside))[0]
        return read_camera(self.folder / f"{name}{SUFFIX}")


def find_camera(
    camera: Sequence[float] | str | os.PathLike[str] | None, root: Path, beside: Path
) -> Camera | None:
    """The camera of a dataset.

    Args:
        camera: Four numbers, a file, or a folder of files; None takes `camera.txt` or `cameras` in
            the dataset's folder, if they are there.
        root: The dataset's folder.
        beside: As in `CameraFolder`.

    Raises:
        ConfigError: The numbers are wrong.
        DataError: The file is absent or wrong.
    """
    if camera is None:
        places = [root / FILE, root / FOLDER]
        path = next((path for path in places if path.exists()), None)
        if path is None:
            return None
    elif isinstance(camera, str | os.PathLike):
        path = user_path(camera)
    else:
        return check_camera(camera, "data.camera")
    return CameraFolder(path, beside) if path.is_dir() else read_camera(path)
