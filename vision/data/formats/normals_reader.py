"""The normals of an image as the files of a dataset hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.data.formats.cameras import Camera
from vision.data.transforms.dense_targets import DenseTargets
from vision.ops.normal_maps import read_normals


@dataclass(frozen=True, kw_only=True)
class NormalsReader:
    """Reads the normal maps of a dataset.

    Attributes:
        negate: Axes, of `"x"`, `"y"`, `"z"`, that point the other way in the files.
        camera: As in `DepthReader`.
    """

    negate: Sequence[str] = ()
    camera: Camera | None = None

    def __call__(self, path: str) -> DenseTargets:
        """Read a normal map.

        Raises:
            DataError: It is absent or broken, or its vectors are not of length 1.
        """
        signs = np.array([-1.0 if axis in self.negate else 1.0 for axis in "xyz"])
        normals = np.nan_to_num(read_normals(Path(path)) * signs)
        planes = np.ascontiguousarray(normals.transpose(2, 0, 1), dtype=np.float32)
        camera = self.camera(path) if callable(self.camera) else self.camera
        return DenseTargets(normals=planes, camera=camera)
