"""What is known of each pixel of an image, in one geometry: depth, normals, segments, the camera.

Everything is resampled by the nearest pixel: a depth between two surfaces belongs to neither.
Normals and depth stay consistent: the normals of the points that the changed camera sees at the
changed depths are the changed normals.

Letters: H rows, W columns.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from vision.data.transforms.geometry import Geometry, Size


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseTargets:
    """What is known of the pixels; None where it is not known.

    Attributes:
        depth: float32 `(H, W)` metres along the optical axis, 0 where there is no reading.
        normals: float32 `(3, H, W)` unit vectors in the frame x right, y down, z into the scene,
            zero where there is none.
        segments: integers `(H, W)`, ids of segments; 0 is none.
        camera: float64 `(4,)`: `(fx, fy, cx, cy)` in pixels, see `vision.ops.camera`.
    """

    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    segments: np.ndarray | None = None
    camera: np.ndarray | None = None

    @property
    def size(self) -> Size:
        """Height and width of the maps, of which there is one at least."""
        maps = [self.depth, self.normals, self.segments]
        height, width = next(planes.shape[-2:] for planes in maps if planes is not None)
        return height, width

    def mapped(self, geometry: Geometry, *, keep_focal: bool = False) -> "DenseTargets":
        """Map them with their image, without padding.

        Args:
            geometry: What happens to the image.
            keep_focal: Whether depth is divided by the scale and the focal length stays, instead of
                the reverse. The scene is then flattened along z, and so are its normals.
        """
        zoom = math.sqrt(math.prod(geometry.scale)) if keep_focal else 1.0
        depth, normals, segments = (
            None if planes is None else geometry.nearest(planes)
            for planes in (self.depth, self.normals, self.segments)
        )
        if depth is not None:
            depth = depth / np.float32(zoom)
        if normals is not None:
            signs = np.array([-1 if geometry.flip else 1, 1, zoom], dtype=np.float32)
            normals = normals * signs[:, None, None]
            normals = normals if zoom == 1 else _unit(normals)
        camera = None if self.camera is None else mapped_camera(self.camera, geometry, zoom)
        return DenseTargets(depth=depth, normals=normals, segments=segments, camera=camera)

    def rotated(self, rotation: "Rotation") -> "DenseTargets":
        """Rotate them with their image."""
        depth, normals, segments = (
            None if planes is None else rotation.nearest(planes)
            for planes in (self.depth, self.normals, self.segments)
        )
        if normals is not None:
            turn = rotation.turn.astype(np.float32)
            normals = np.concatenate(
                [np.tensordot(turn, normals[:2], 1).astype(np.float32), normals[2:]]
            )
        camera = self.camera
        if camera is not None:
            camera = np.concatenate([camera[:2], rotation.points(camera[2:])])
        return replace(self, depth=depth, normals=normals, segments=segments, camera=camera)


@dataclass(frozen=True, eq=False)
class Rotation:
    """A rotation of an image about its middle, which keeps its size.

    It is that of a camera that is turned about its optical axis: pixels that are not square are
    sheared accordingly.

    Attributes:
        size: Height and width in pixels.
        degrees: Angle, from x towards y: clockwise.
        aspect: Focal length along y over that along x.
    """

    size: Size
    degrees: float
    aspect: float = 1.0

    @property
    def turn(self) -> np.ndarray:
        """The rotation of x and y in the frame of the camera, float64 `(2, 2)`."""
        angle = math.radians(self.degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        return np.array([[cos, -sin], [sin, cos]])

    @property
    def matrix(self) -> np.ndarray:
        """The same of columns and rows, float64 `(2, 2)`."""
        return self.turn * [[1, 1 / self.aspect], [self.aspect, 1]]

    @property
    def middle(self) -> np.ndarray:
        """Column and row of the middle, where the centre of the first pixel is (0, 0)."""
        return np.array([self.size[1] - 1, self.size[0] - 1]) / 2

    def points(self, points: np.ndarray) -> np.ndarray:
        """Map points `(..., 2)`, column and row in pixels."""
        return (points - self.middle) @ self.matrix.T + self.middle

    def coefficients(self) -> tuple[float, ...]:
        """Pillow's six numbers: columns and rows of the source of each pixel, from its corner."""
        inverse = np.linalg.inv(self.matrix)
        corner = self.middle + 0.5
        shift = corner - inverse @ corner
        return (*inverse[0], shift[0], *inverse[1], shift[1])

    def nearest(self, planes: np.ndarray) -> np.ndarray:
        """Map planes `(..., H, W)` by the nearest pixels; what is uncovered is 0."""
        height, width = self.size
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        source = (grid - self.middle) @ np.linalg.inv(self.matrix).T + self.middle
        columns, rows = np.moveaxis(np.floor(source + 0.5).astype(np.int64), -1, 0)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        taken = planes[..., rows.clip(0, height - 1), columns.clip(0, width - 1)]
        return np.where(inside, taken, np.zeros(1, dtype=planes.dtype))


def mapped_camera(camera: np.ndarray, geometry: Geometry, zoom: float = 1.0) -> np.ndarray:
    """The camera of a cropped, resized and flipped image.

    Args:
        camera: `(fx, fy, cx, cy)` of the image.
        geometry: What happens to it.
        zoom: What its depth is divided by.

    Returns:
        float64 `(4,)`.
    """
    # Geometry counts from the corner of the first pixel, a camera from its centre.
    (centre,) = geometry.points(camera[None, 2:] + 0.5) - 0.5
    return np.concatenate([camera[:2] * geometry.scale / zoom, centre])


def _unit(normals: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(normals, axis=0)
    return normals / np.where(lengths > 0, lengths, 1)
