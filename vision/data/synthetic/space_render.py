"""What a camera sees: colours, and for the centre of each pixel its depth, normal and object."""

from dataclasses import dataclass

import numpy as np

from vision.data.synthetic.outlines import extent
from vision.data.synthetic.scenes import WORDS
from vision.data.synthetic.space_world import Standee, World
from vision.data.synthetic.textures import GRAIN

# Rays per pixel along each axis for colours.
SAMPLES = 2
# Share of the brightness that does not depend on the light.
AMBIENT = 0.5
FLOOR, WALL = len(WORDS), len(WORDS) + 1
CLASSES = (*WORDS, "floor", "wall")


@dataclass(frozen=True)
class StandingObject:
    """A sticker in an image.

    Attributes:
        label: 0 to 9.
        mask: bool `(H, W)`, its visible part.
        whole: bool `(H, W)`, all of it, with the covered part.
    """

    label: int
    mask: np.ndarray
    whole: np.ndarray

    @property
    def box(self) -> np.ndarray:
        """The box around its visible part, float32 `(4,)` xyxy in pixels.

        The pixel in column c covers [c, c + 1]; at least one pixel must be visible.
        """
        top, left, bottom, right = extent(self.mask)
        return np.array([left, top, right, bottom], np.float32)

    @property
    def visible(self) -> float:
        """Visible share of it, in [0, 1]."""
        return float(self.mask.sum() / max(int(self.whole.sum()), 1))


@dataclass(frozen=True)
class View:
    """The ground truth of an image, at the centres of its pixels.

    Attributes:
        depth: float32 `(H, W)`, metres along the optical axis.
        normals: float32 `(H, W, 3)` unit vectors in the camera's frame (x right, y down, z into the
            scene), towards the camera.
        surfaces: int64 `(H, W)`: index in the world's walls; from their number on, in its standees.
        labels: uint8 `(H, W)`, index into `CLASSES`.
        objects: The stickers, in the world's order.
    """

    depth: np.ndarray
    normals: np.ndarray
    surfaces: np.ndarray
    labels: np.ndarray
    objects: tuple[StandingObject, ...]

    @property
    def segments(self) -> tuple[np.ndarray, list[int]]:
        """Panoptic segments: the floor, all walls together, and each sticker that is visible.

        Returns:
            int32 `(H, W)` segment number from 1 on, and the class of each segment in turn.
        """
        ids = np.zeros(self.labels.shape, np.int32)
        found: list[int] = []
        stuff = [(label, self.labels == label) for label in (FLOOR, WALL)]
        for label, mask in [*stuff, *((item.label, item.mask) for item in self.objects)]:
            if mask.any():
                found.append(label)
                ids[mask] = len(found)
        return ids, found


def view(world: World) -> View:
    """The ground truth of a world's image."""
    camera = world.camera
    rays = camera.rays()
    depth, surfaces = _nearest_walls(world, rays)
    wholes = []
    for number, item in enumerate(world.standees, start=len(world.walls)):
        window = _window(world, item, 1)
        found = item.texels(rays[window])[0]
        whole = np.zeros(depth.shape, bool)
        whole[window] = np.isfinite(found)
        wholes.append(whole)
        nearer = found < depth[window]
        depth[window][nearer] = found[nearer]
        surfaces[window][nearer] = number
    planes = [*(wall.plane for wall in world.walls), *(item.plane for item in world.standees)]
    kinds = [FLOOR if wall.is_floor else WALL for wall in world.walls]
    kinds += [item.label for item in world.standees]
    objects = tuple(
        StandingObject(item.label, surfaces == number, whole)
        for number, (item, whole) in enumerate(
            zip(world.standees, wholes, strict=True), start=len(world.walls)
        )
    )
    return View(
        depth.astype(np.float32),
        np.stack([plane.normal for plane in planes]).astype(np.float32)[surfaces],
        surfaces,
        np.array(kinds, np.uint8)[surfaces],
        objects,
    )


def photograph(world: World, rng: np.random.Generator) -> np.ndarray:
    """The image of a world.

    Args:
        world: What is seen.
        rng: Source of the grain.

    Returns:
        uint8 `(H, W, 3)` RGB, the mean of `SAMPLES` x `SAMPLES` rays per pixel.
    """
    camera = world.camera
    rays = camera.rays(SAMPLES)
    depth, nearest = _nearest_walls(world, rays)
    image = np.empty(rays.shape, np.float32)
    for number, wall in enumerate(world.walls):
        chosen = nearest == number
        seen, reached = rays[chosen], depth[chosen]
        length = np.linalg.norm(seen, axis=1)
        slant = -(seen @ wall.plane.normal) / length
        footprint = reached * length / (camera.focal_px * slant)
        colors = wall.surface.colors(*wall.plane.coordinates(seen, reached), footprint)
        image[chosen] = colors * brightness(world, wall.plane.normal)
    for item in world.standees:
        _paint(world, item, rays, depth, image)
    height, width = camera.height, camera.width
    image = image.reshape(height, SAMPLES, width, SAMPLES, 3).mean(axis=(1, 3))
    image += rng.standard_normal((height, width, 1), dtype=np.float32) * GRAIN
    return image.round().clip(0, 255).astype(np.uint8)


def brightness(world: World, normal: np.ndarray) -> float:
    """Share of the light that a surface of a unit normal `(3,)` reflects, after Lambert."""
    return AMBIENT + (1 - AMBIENT) * max(float(normal @ world.light), 0.0)


def _nearest_walls(world: World, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    depths = np.stack([wall.plane.depth(rays) for wall in world.walls])
    nearest = depths.argmin(axis=0)
    return depths.min(axis=0), nearest


def _window(world: World, item: Standee, samples: int) -> tuple[slice, slice]:
    """The rows and columns of rays between the corners of a sticker."""
    camera = world.camera
    places = camera.project(item.corners)
    low, high = places.min(axis=0), places.max(axis=0)
    ends = []
    for first, last, length in zip(low, high, (camera.width, camera.height), strict=True):
        start = max(int(first) - 1, 0)
        ends.append(slice(samples * start, samples * min(int(last) + 3, length)))
    return ends[1], ends[0]


def _paint(
    world: World, item: Standee, rays: np.ndarray, depth: np.ndarray, image: np.ndarray
) -> None:
    """Paint a sticker where nothing is before it, and note its depth."""
    window = _window(world, item, SAMPLES)
    found, rows, columns = item.texels(rays[window])
    nearer = found < depth[window]
    depth[window][nearer] = found[nearer]
    stroke = _between(item.sticker.stroke, rows[nearer], columns[nearer])[:, None]
    colors = item.ground + (item.stroke - item.ground) * stroke
    image[window][nearer] = colors * brightness(world, item.plane.normal)


def _between(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values `(N,)` of an array `(h, w)` at places between its elements, bilinear."""
    steps = []
    for place, length in zip((rows, columns), values.shape, strict=True):
        place = place.clip(0, length - 1)
        low = place.astype(np.intp)
        steps.append((low, np.minimum(low + 1, length - 1), place - low))
    (top, bottom, down), (left, right, aside) = steps
    above = values[top, left] * (1 - aside) + values[top, right] * aside
    below = values[bottom, left] * (1 - aside) + values[bottom, right] * aside
    return above * (1 - down) + below * down
