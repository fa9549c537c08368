"""A street, and where rays meet it: the ground, the fronts of houses, and boxes on the ground.

Everything is in the rectified frame of `street_camera.py`: x right, y down, z along the optical
axis, in metres. Places of the street are `(a, b, h)`: metres to the right of the middle of the
road, along the road from the camera on, and above the ground.

Letters: N rays.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision.data.synthetic.street_camera import Rig
from vision.data.synthetic.street_materials import (
    BOTTOM,
    FRONT,
    LEFT,
    REAR,
    RIGHT,
    TOP,
    Material,
    materials_of,
)

# What a ray meets if it meets no box.
SKY, GROUND, LEFT_HOUSES, RIGHT_HOUSES = range(4)
# Lines on the road, in metres: width, and length and period of the dashes.
LINE_M, DASH_M, DASHES_M = 0.14, 3.0, 8.0
FLOOR_M = 2.9  # from a window to the one above
PANE_M = 2.6  # from a window to the next
# Corners of a box by its axes forward, left and up: those of the bottom first.
CORNERS = np.array(
    [(f, s, u) for u in (-1, 1) for f, s in ((1, 1), (1, -1), (-1, -1), (-1, 1))], np.float64
)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A box on the ground.

    Attributes:
        kind: KITTI's class.
        size: Length, height, width `(3,)` in metres.
        bottom: The middle of its bottom face `(3,)`.
        yaw: `rotation_y`, in radians.
        palette: RGB of its materials, float32 `(materials, 3)` in [0, 255].
    """

    kind: str
    size: np.ndarray
    bottom: np.ndarray
    yaw: float
    palette: np.ndarray

    @cached_property
    def axes(self) -> np.ndarray:
        """Unit vectors forward, left and up, the columns of `(3, 3)`."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return np.array([[cos, sin, 0], [0, 0, -1], [-sin, cos, 0]])

    @cached_property
    def half(self) -> np.ndarray:
        """Half of its length, width and height `(3,)`: along its axes."""
        length, height, width = self.size
        return np.array([length, width, height]) / 2

    @property
    def center(self) -> np.ndarray:
        """Its middle `(3,)`."""
        return self.bottom - (0, self.half[2], 0)

    def corners(self, margin: float = 0.0) -> np.ndarray:
        """Its corners `(8, 3)`, the bottom first, with a margin around it in metres."""
        return self.center + CORNERS * (self.half + margin) @ self.axes.T

    def own(self, points: np.ndarray) -> np.ndarray:
        """Points `(..., 3)` along the box's axes, from its middle."""
        return (points - self.center.astype(points.dtype)) @ self.axes.astype(points.dtype)

    def meet(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays enter the box.

        Args:
            origin: `(3,)`, outside the box.
            rays: `(..., 3)`.

        Returns:
            How many times its length each ray goes, `(...)`, infinite if it misses; and the face
            that it enters, uint8 `(...)`.
        """
        start, turned = self.own(origin), rays @ self.axes.astype(rays.dtype)
        enter = np.full(rays.shape[:-1], -np.inf, rays.dtype)
        leave = np.full(rays.shape[:-1], np.inf, rays.dtype)
        face = np.zeros(rays.shape[:-1], np.uint8)
        for axis, sides in enumerate(((FRONT, REAR), (LEFT, RIGHT), (TOP, BOTTOM))):
            with np.errstate(divide="ignore", invalid="ignore"):
                step = 1 / turned[..., axis]
                first = float(self.half[axis] - start[axis]) * step
                second = float(-self.half[axis] - start[axis]) * step
            backward = turned[..., axis] < 0
            near = np.where(backward, first, second)
            face = np.where(near > enter, np.where(backward, *map(np.uint8, sides)), face)
            np.maximum(enter, near, out=enter)
            np.minimum(leave, np.where(backward, second, first), out=leave)
        return np.where((enter < leave) & (enter > 0), enter, np.inf), face

    def materials(self, points: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Materials, uint8 `(N,)`, at points `(N, 3)` of its faces `(N,)`."""
        forward, left, up = (self.own(points) + self.half.astype(points.dtype)).T
        length, width, _ = 2 * self.half
        # Seen from outside, what is left of a face is on the box's own right in front, and so on.
        across = np.select(
            [face == FRONT, face == REAR, face == LEFT, face == RIGHT],
            [left, width - left, length - forward, forward],
            width - left,
        )
        high = np.where(face >= TOP, forward, up)
        return materials_of(self.kind, face, across, high, self.size)


@dataclass(frozen=True, kw_only=True)
class Houses:
    """The fronts along one side of a road.

    Attributes:
        distance: Of the fronts from the middle of the road, in metres; negative on the left.
        ends: Where each front ends along the road, rising; the first begins at `begin`.
        begin: Where the first begins.
        heights: Of each front in metres; 0 is a gap.
        colors: RGB of each front, float32 `(houses, 3)`.
    """

    distance: float
    ends: np.ndarray
    begin: float
    heights: np.ndarray
    colors: np.ndarray

    def number(self, along: np.ndarray) -> np.ndarray:
        """Which front is at places along the road `(N,)`."""
        return np.searchsorted(self.ends, along).clip(max=len(self.ends) - 1)

    def height(self, along: np.ndarray) -> np.ndarray:
        """Height of the front at places along the road, `(N,)`."""
        outside = (along < self.begin) | (along > self.ends[-1])
        return np.where(outside, 0, self.heights[self.number(along)])

    def materials(self, along: np.ndarray, up: np.ndarray) -> np.ndarray:
        """Materials, uint8 `(N,)`, at places of the fronts."""
        start = np.concatenate([[self.begin], self.ends[:-1]])[self.number(along)]
        across = (along - start) % PANE_M
        story = np.floor(up / FLOOR_M)
        high = up - story * FLOOR_M
        found = np.full(along.shape, Material.WALL, np.uint8)
        found[(across > 0.7) & (across < 1.9) & (high > 0.9) & (high < 2.3)] = Material.WINDOW
        first = (along - start > 2 * PANE_M) & (along - start < 3 * PANE_M)
        found[first & (story == 0) & (across > 0.7) & (across < 1.8) & (high < 2.2)] = Material.DOOR
        # The edge of the roof.
        found[self.height(along) - up < 0.35] = Material.DOOR
        return found


@dataclass(frozen=True, kw_only=True)
class Street:
    """A road, houses at its sides, and boxes that stand on it.

    Attributes:
        rig: The sensors.
        heading_rad: Direction of the road, to the right of the camera's.
        offset_m: How far the camera is to the right of the middle of the road.
        half_road_m: From the middle of the road to its edge.
        pavement_m: Width of the pavement beside it.
        houses: Those on the left and on the right.
        things: The boxes.
        light: Unit vector `(3,)` towards the sun.
    """

    rig: Rig
    heading_rad: float
    offset_m: float
    half_road_m: float
    pavement_m: float
    houses: tuple[Houses, Houses]
    things: tuple[Thing, ...]
    light: np.ndarray

    @cached_property
    def axes(self) -> np.ndarray:
        """Unit vectors to the right of the road, along it, and up, the columns of `(3, 3)`."""
        cos, sin = math.cos(self.heading_rad), math.sin(self.heading_rad)
        return self.rig.from_level(np.array([[cos, 0, -sin], [sin, 0, cos], [0, -1, 0]])).T

    def places(self, points: np.ndarray) -> np.ndarray:
        """Places `(..., 3)` of the street of points `(..., 3)`."""
        shift = np.array((self.offset_m, 0, self.rig.elevation_m), points.dtype)
        return points @ self.axes.astype(points.dtype) + shift

    def points(self, places: np.ndarray) -> np.ndarray:
        """The inverse of `places`."""
        return (np.asarray(places) - (self.offset_m, 0, self.rig.elevation_m)) @ self.axes.T

    def meet(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays meet what is behind the boxes.

        Args:
            origin: `(3,)`.
            rays: `(..., 3)`.

        Returns:
            How many times its length each ray goes, `(...)`, infinite in the sky; and what it
            meets, uint8 `(...)`: `SKY` to `RIGHT_HOUSES`.
        """
        start, turned = self.places(origin).tolist(), rays @ self.axes.astype(rays.dtype)
        with np.errstate(divide="ignore"):
            falling = -start[2] / turned[..., 2]
        reached = np.where(falling > 0, falling, np.inf)
        found = np.where(falling > 0, GROUND, SKY).astype(np.uint8)
        for kind, side in zip((LEFT_HOUSES, RIGHT_HOUSES), self.houses, strict=True):
            with np.errstate(divide="ignore"):
                there = (side.distance - start[0]) / turned[..., 0]
            chosen = (there > 0) & (there < reached)
            far = there[chosen]
            along, up = (start[axis] + far * turned[..., axis][chosen] for axis in (1, 2))
            hit = up <= side.height(along)
            chosen[chosen] = hit
            reached[chosen] = far[hit]
            found[chosen] = kind
        return reached, found

    def materials(self, places: np.ndarray, kind: int) -> np.ndarray:
        """Materials, uint8 `(N,)`, at places `(N, 3)` of the ground or of the fronts."""
        a, b, h = places.T
        if kind != GROUND:
            return self.houses[kind - LEFT_HOUSES].materials(b, h)
        aside = np.abs(a)
        found = np.full(a.shape, Material.GRASS, np.uint8)
        found[aside < self.half_road_m + self.pavement_m] = Material.PAVEMENT
        found[aside < self.half_road_m] = Material.ROAD
        found[np.abs(aside - self.half_road_m + 0.25) < LINE_M / 2] = Material.MARKING
        found[(aside < LINE_M / 2) & (b % DASHES_M < DASH_M)] = Material.MARKING
        return found
