"""Points in space with their colours."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.ops.ply import write_ply


@dataclass(frozen=True, eq=False)
class PointCloud:
    """The points of an image: in the camera's frame, x to the right, y down, z into the scene.

    Attributes:
        points: float32 `(P, 3)` metres.
        colors: uint8 `(P, 3)` RGB.
    """

    points: np.ndarray
    colors: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a PLY file, binary and little endian; its folder is made. Returns the path.

        Raises:
            DataError: The file cannot be written.
        """
        return write_ply(path, self.points, self.colors)
