"""Files of KITTI's raw data and of its annotated depth."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.data.formats.projections import read_projection
from vision.documents.text import read_lines
from vision.errors import DataError
from vision.reading import MAX_SETTINGS_BYTES

CALIBRATION = "calib_cam_to_cam.txt"
# Length of the date that the name of a drive begins with, such as 2011_09_26.
DATE = 10
# What a list of files has in place of the depth of an image without one.
NO_DEPTH = "None"


class ListedPair(NamedTuple):
    """An image of a list, and its depth, as the list writes them."""

    image: str
    depth: str


def read_pairs(path: Path) -> tuple[list[ListedPair], int]:
    """Read a list of images and depth maps, such as `eigen_train_files_with_gt.txt`.

    Args:
        path: Text with `IMAGE DEPTH` in each line, and maybe the focal length.

    Returns:
        The pairs, and the number of images whose depth is `None`, which are left out.

    Raises:
        DataError: The file is absent, or a line has one word.
    """
    pairs = []
    lines = read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="list of images")
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) < 2:
            raise DataError(
                f"'{path}', line {number:,}, is {line[:60]!r}; expected the paths of an image and "
                "of its depth map (or None), with a space between them."
            )
        pairs.append(ListedPair(words[0], words[1]))
    kept = [pair for pair in pairs if pair.depth != NO_DEPTH]
    if not kept:
        raise DataError(f"'{path}' lists no image with a depth map.")
    return kept, len(pairs) - len(kept)


@dataclass(frozen=True)
class KITTICameras:
    """The camera of each image, by the calibration of its day.

    Attributes:
        root: The folder of the days; without the calibration of a day its camera is not known.
    """

    root: Path

    def __call__(self, path: str) -> np.ndarray | None:
        """The camera of an image, from the path of its depth map.

        Args:
            path: `.../DRIVE/proj_depth/groundtruth/image_02/FRAME.png`.

        Raises:
            DataError: The calibration is broken.
        """
        *_, drive, _, _, camera, _ = ("", "", "", "", *Path(path).parts)
        calibration = self.root / drive[:DATE] / CALIBRATION
        return read_calibration(calibration, camera) if calibration.is_file() else None


@lru_cache(maxsize=64)
def read_calibration(path: Path, camera: str) -> np.ndarray:
    """The rectified camera of a day.

    Args:
        path: Its file `calib_cam_to_cam.txt`.
        camera: `image_02` or `image_03`.

    Returns:
        float64 `(4,)`: `(fx, fy, cx, cy)` in pixels.

    Raises:
        DataError: The file is absent, has no such camera, or a broken one.
    """
    projection = read_projection(path, f"P_rect_{camera[-2:]}")
    return projection[[0, 1, 0, 1], [0, 1, 2, 2]]
