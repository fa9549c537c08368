"""What stands before a camera: the planes of a room, and upright stickers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision.data.synthetic.scenes import Sticker
from vision.data.synthetic.space_camera import Camera
from vision.data.synthetic.space_surfaces import Surface


@dataclass(frozen=True)
class Plane:
    """A plane with its own axes, in the camera's frame, in metres.

    Attributes:
        origin: `(3,)`, a point of the plane.
        across: `(3,)`, a unit vector in the plane.
        along: `(3,)`, the unit vector in the plane at right angles to it.
    """

    origin: np.ndarray
    across: np.ndarray
    along: np.ndarray

    @cached_property
    def normal(self) -> np.ndarray:
        """The unit normal `(3,)` on the side of the camera."""
        normal = np.cross(self.across, self.along)
        return -normal if normal @ self.origin > 0 else normal

    def depth(self, rays: np.ndarray) -> np.ndarray:
        """Depth at which rays `(..., 3)` with z = 1 meet the plane; infinite if they do not."""
        facing = rays @ self.normal
        with np.errstate(divide="ignore"):
            depth = (self.origin @ self.normal) / facing
        return np.where(facing < 0, depth, np.inf)

    def coordinates(self, rays: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metres across and along the plane of the points at depths `(...)` of rays `(..., 3)`."""
        points = rays * depth[..., None] - self.origin
        return points @ self.across, points @ self.along


@dataclass(frozen=True)
class Wall:
    """A plane of the room, without end: its plane, its surface, and whether it is the floor."""

    plane: Plane
    surface: Surface
    is_floor: bool


@dataclass(frozen=True)
class Standee:
    """A sticker that stands upright on the floor.

    Attributes:
        label: 0 to 9.
        plane: Its origin is the middle of the sticker's lower edge, its axes are to the right and
            up.
        sticker: What is on it.
        height_m: Height; the width follows from the sticker.
        stroke: RGB of the digit, `(3,)` in [0, 255].
        ground: RGB around it.
    """

    label: int
    plane: Plane
    sticker: Sticker
    height_m: float
    stroke: np.ndarray
    ground: np.ndarray

    @property
    def width_m(self) -> float:
        """Width in metres."""
        rows, columns = self.sticker.mask.shape
        return self.height_m * columns / rows

    @cached_property
    def corners(self) -> np.ndarray:
        """Its corners in the camera's frame, `(4, 3)`: lower left and right, upper left, right."""
        aside = self.plane.across * self.width_m / 2
        up = self.plane.along * self.height_m
        low = self.plane.origin
        return np.stack([low - aside, low + aside, low - aside + up, low + aside + up])

    def texels(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where rays `(..., 3)` with z = 1 meet the sticker.

        Returns:
            Depth, infinite beside the sticker's mask; row and column in the sticker's picture,
            whose first value is centred at (0, 0).
        """
        rows, columns = self.sticker.mask.shape
        depth = self.plane.depth(rays)
        reached = np.where(np.isfinite(depth), depth, 0.0)
        across, up = self.plane.coordinates(rays, reached)
        per_metre = rows / self.height_m
        row = rows - up * per_metre - 0.5
        column = columns / 2 + across * per_metre - 0.5
        nearest = np.rint(row), np.rint(column)
        inside = (nearest[0] >= 0) & (nearest[0] < rows) & (nearest[1] >= 0)
        inside &= nearest[1] < columns
        at = tuple(np.where(inside, index, 0).astype(np.intp) for index in nearest)
        inside &= self.sticker.mask[at]
        return np.where(inside, depth, np.inf), row, column


@dataclass(frozen=True)
class World:
    """A camera, the walls around it, and stickers.

    Attributes:
        camera: The camera.
        walls: The floor, and upright walls; every ray meets one of them.
        standees: The stickers.
        light: Unit vector `(3,)` towards the light, in the camera's frame.
    """

    camera: Camera
    walls: tuple[Wall, ...]
    standees: tuple[Standee, ...]
    light: np.ndarray
