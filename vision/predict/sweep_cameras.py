"""The cameras of sweeps that are predicted: one of KITTI's calibrations, or a file for each."""

from pathlib import Path

import numpy as np

from vision.data.formats.projections import read_calibration
from vision.data.images.sizes import read_sizes
from vision.data.index.lidar import SweepView
from vision.errors import ConfigError
from vision.predict.calibration import Kept, file_for

EXPECTED = (
    "Give KITTI's calibration with the lines P2, R0_rect and Tr_velo_to_cam, or a folder with such "
    "a file NAME.txt for each sweep NAME.bin."
)
# Where the benchmark has images, beside the folder of sweeps.
IMAGES = "image_2"


class SweepCameras:
    """The camera of each sweep.

    The size of its image is that of the file of the sweep's name in the folder `image_2` beside
    that of the sweeps. Without one it is twice the principal point.

    Args:
        kept: Of `vision.predict.calibration.keep_camera`.

    Raises:
        ConfigError: It is not a path: numbers do not say where the lidar is.
    """

    def __init__(self, kept: Kept) -> None:
        if not isinstance(kept, str):
            raise ConfigError(
                f"camera={kept} does not say how the lidar stands to the camera. {EXPECTED}"
            )
        self.place = Path(kept)

    def view(self, path: str | None) -> SweepView:
        """The camera of a sweep.

        Args:
            path: File of the sweep; None for one in memory.

        Raises:
            ConfigError: Each sweep has its own file, and this one is in memory.
            DataError: A file is absent or broken.
        """
        file = self.place
        if file.is_dir():
            file = file_for(file, path, unit="sweep", instead="one file", expected=EXPECTED)
        found = read_calibration(file)
        size = _image_size(path)
        if size is None:
            size = (2 * found.projection[1::-1, 2]).round().astype(np.int64)
        return SweepView(found.lidar_to_camera, found.projection, size)


def _image_size(path: str | None) -> np.ndarray | None:
    """Height and width of the image of a sweep, int64 `(2,)`; None if there is none."""
    if path is None:
        return None
    images = sorted((Path(path).parent.parent / IMAGES).glob(f"{Path(path).stem}.*"))
    if not images:
        return None
    problems: list[str] = []
    (size,) = read_sizes([str(images[0])], problems.append)
    return None if problems else size.astype(np.int64)
