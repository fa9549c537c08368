"""The depth of an image, and normals computed from it, as the files of a dataset hold them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.data.formats.cameras import NO_CAMERAS, KnownCameras
from vision.data.transforms.dense_targets import DenseTargets
from vision.errors import ConfigError
from vision.ops.depth_crops import crop_window
from vision.ops.depth_maps import PNG, check_depth, read_float_depth, read_png_depth
from vision.ops.depth_normals import MAX_SLANT, WINDOW, normals_from_depth
from vision.ops.depth_scale import choose_scale

REMEDY = "Write 0 there, or give the value in the files that means no reading: data.invalid."


@dataclass(frozen=True, kw_only=True)
class DepthReader:
    """Reads the depth maps of a dataset.

    Attributes:
        scale: Value of one metre in the files; None for floats in metres and PNG files that state
            it.
        invalid: Values in the files that mean no reading; 0 is one always.
        cameras: What is known of the cameras.
        counted: The part of an image whose depth is kept, as in `crop_window`; None for all of it.
    """

    scale: float | None = None
    invalid: Sequence[float] = ()
    cameras: KnownCameras = NO_CAMERAS
    counted: str | None = None

    def __call__(self, path: str) -> DenseTargets:
        """Read a depth map.

        Raises:
            DataError: It is absent or broken, or has depths that are no numbers of metres.
            ConfigError: It needs a scale.
        """
        depth = self.depth(path)
        camera = self.cameras.of(path, (depth.shape[0], depth.shape[1]))
        return DenseTargets(depth=depth, camera=camera)

    def depth(self, path: str) -> np.ndarray:
        """The depth in a file, float32 `(H, W)` in metres, 0 where there is no reading.

        Raises:
            DataError: It is absent or broken, or has depths that are no numbers of metres.
            ConfigError: It needs a scale.
        """
        file = Path(path)
        if file.suffix == PNG:
            values, scale = read_png_depth(file), choose_scale(file, self.scale, "data.scale")
        else:
            values, scale = read_float_depth(file), self.scale or 1.0
        depth = values / scale
        for value in self.invalid:
            depth[np.isnan(values) if math.isnan(value) else values == value] = 0
        check_depth(depth, path, REMEDY)
        if self.counted is not None:
            window = crop_window(self.counted, *depth.shape)
            outside = np.ones(depth.shape, dtype=bool)
            outside[window] = False
            depth[outside] = 0
        return depth.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class NormalsFromDepth:
    """Computes normals from the depth maps of a dataset.

    Attributes:
        depth: Reads these, with their cameras.
        window: As for `normals_from_depth`.
        max_slant: Likewise.
    """

    depth: DepthReader
    window: int = WINDOW
    max_slant: float = MAX_SLANT

    def __call__(self, path: str) -> DenseTargets:
        """Compute the normals of a depth map.

        Raises:
            DataError: It is absent or broken, or has depths that are no numbers of metres.
            ConfigError: It needs a scale, or a camera.
        """
        return self.of(self.depth(path), path)

    def of(self, known: DenseTargets, path: str) -> DenseTargets:
        """Compute the normals of a depth map that was read.

        Raises:
            ConfigError: Its camera is not known.
        """
        assert known.depth is not None
        if known.camera is None:
            raise ConfigError(
                f"normals of '{path}' need its camera: set data.camera to [fx, fy, cx, cy] in "
                "pixels, or to a file of them."
            )
        normals = normals_from_depth(
            known.depth, known.camera, window=self.window, max_slant=self.max_slant
        )
        return DenseTargets(normals=normals, camera=known.camera)
