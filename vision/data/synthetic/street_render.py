"""What the left colour camera sees of a street: colours, depth, and which pixels are whose."""

from dataclasses import dataclass

import numpy as np

from vision.data.synthetic.street_materials import BOTTOM, COLORS, Material
from vision.data.synthetic.street_world import GROUND, LEFT_HOUSES, SKY, Street, Thing
from vision.data.synthetic.textures import GRAIN

# Rays per pixel along each axis for colours.
SAMPLES = 2
# Share of the brightness that does not depend on the light.
AMBIENT = 0.55
# Sky above and at the horizon, far trees, and the haze, in which things fade after so many metres.
ZENITH = np.array([112, 158, 215], np.float32)
HORIZON = np.array([208, 218, 226], np.float32)
TREES = np.array([104, 124, 104], np.float32)
HAZE = np.array([200, 208, 214], np.float32)
HAZE_M = 220.0
# The shadow under things: how dark, and after how many metres it fades.
SHADOW, SHADOW_M = 0.7, 0.35


@dataclass(frozen=True)
class SeenThing:
    """A box in an image.

    Attributes:
        thing: The box.
        mask: bool `(H, W)`, its visible part.
        whole: How many pixels of the image it would have if nothing stood before it.
    """

    thing: Thing
    mask: np.ndarray
    whole: int

    @property
    def visible(self) -> float:
        """Visible share of its pixels in the image, in [0, 1]; 0 if it has none."""
        return float(self.mask.sum() / max(self.whole, 1))


@dataclass(frozen=True)
class View:
    """The ground truth of an image, at the centres of its pixels.

    Attributes:
        depth: float64 `(H, W)`, metres from the left colour camera along the optical axis; infinite
            in the sky.
        things: The boxes, in the street's order.
    """

    depth: np.ndarray
    things: tuple[SeenThing, ...]


def view(street: Street) -> View:
    """The ground truth of a street's image."""
    rig = street.rig
    rays = rig.rays()
    depth, owner = street.meet(rig.eye, rays)[0], np.full(rays.shape[:2], -1)
    wholes = []
    for number, thing in enumerate(street.things):
        window = window_of(street, thing.corners(), 1)
        found = thing.meet(rig.eye, rays[window])[0]
        wholes.append(int(np.isfinite(found).sum()))
        nearer = found < depth[window]
        depth[window][nearer] = found[nearer]
        owner[window][nearer] = number
    seen = zip(street.things, wholes, strict=True)
    return View(depth, tuple(SeenThing(one, owner == i, n) for i, (one, n) in enumerate(seen)))


def photograph(street: Street, rng: np.random.Generator) -> np.ndarray:
    """The image of a street.

    Args:
        street: What is seen.
        rng: Source of the grain.

    Returns:
        uint8 `(H, W, 3)` RGB, the mean of `SAMPLES` x `SAMPLES` rays per pixel.
    """
    rig = street.rig
    rays = rig.rays(SAMPLES).astype(np.float32)
    depth, kinds = street.meet(rig.eye, rays)
    image = np.empty(rays.shape, np.float32)
    image[kinds == SKY] = _sky(street, rays[kinds == SKY])
    shade = np.ones(depth.shape, np.float32)
    ground = kinds == GROUND
    for thing in street.things:
        _darken(street, thing, rays, depth, ground, shade)
    for kind in np.unique(kinds[kinds != SKY]).tolist():
        chosen = kinds == kind
        places = street.places(_points(street, rays[chosen], depth[chosen]))
        if kind == GROUND:
            normal = street.axes[:, 2]
            colors = COLORS[street.materials(places, kind)] * _roughness(places)[:, None]
            colors *= shade[chosen][:, None]
        else:
            normal = street.axes[:, 0] * (1 if kind == LEFT_HOUSES else -1)
            colors = _house_colors(street, places, kind)
        image[chosen] = colors * _brightness(street, normal)
    for thing in street.things:
        _paint(street, thing, rays, depth, image)
    fade = np.exp(-depth / np.float32(HAZE_M))
    fade[np.isinf(depth)] = 1
    image -= HAZE
    image *= fade[..., None]
    image += HAZE
    parts = [image[i::SAMPLES, j::SAMPLES] for i in range(SAMPLES) for j in range(SAMPLES)]
    image = sum(parts[1:], parts[0]) / np.float32(len(parts))
    image += rng.standard_normal((rig.height, rig.width, 1), dtype=np.float32) * GRAIN
    return image.round().clip(0, 255).astype(np.uint8)


def window_of(street: Street, corners: np.ndarray, samples: int) -> tuple[slice, slice]:
    """The rows and columns of rays between points `(N, 3)` before the camera."""
    rig = street.rig
    places = rig.project(corners)
    low, high = np.floor(places.min(axis=0)), np.ceil(places.max(axis=0))
    ends = []
    for first, last, length in zip(low, high, (rig.width, rig.height), strict=True):
        start, stop = np.clip([first - 1, last + 2], 0, length).astype(int).tolist()
        ends.append(slice(samples * start, samples * stop))
    return ends[1], ends[0]


def _paint(
    street: Street, thing: Thing, rays: np.ndarray, depth: np.ndarray, image: np.ndarray
) -> None:
    """Paint a box where nothing is before it, and note its depth."""
    window = window_of(street, thing.corners(), SAMPLES)
    found, faces = thing.meet(street.rig.eye, rays[window])
    nearer = found < depth[window]
    depth[window][nearer] = found[nearer]
    face = faces[nearer]
    points = _points(street, rays[window][nearer], found[nearer])
    forward, left, up = thing.axes.T
    normals = (forward, -forward, left, -left, up, -up)
    light = np.array([_brightness(street, normals[i]) for i in range(BOTTOM + 1)], np.float32)
    image[window][nearer] = thing.palette[thing.materials(points, face)] * light[face][:, None]


def _darken(
    street: Street,
    thing: Thing,
    rays: np.ndarray,
    depth: np.ndarray,
    ground: np.ndarray,
    shade: np.ndarray,
) -> None:
    """Darken the ground under a box and close to it."""
    reach = 3 * SHADOW_M
    window = window_of(street, thing.corners(reach)[:4] - (0, reach, 0), SAMPLES)
    chosen = ground[window]
    points = _points(street, rays[window][chosen], depth[window][chosen])
    beyond = np.abs(thing.own(points)[:, :2]) - thing.half[:2].astype(points.dtype)
    away = np.hypot(*beyond.clip(min=0).T)
    shade[window][chosen] *= 1 - np.float32(SHADOW) * np.exp(-((away / np.float32(SHADOW_M)) ** 2))


def _points(street: Street, rays: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Points `(N, 3)` at depths `(N,)` of rays `(N, 3)` from the left colour camera."""
    return (rays * depth[:, None] + street.rig.eye.astype(rays.dtype)).astype(rays.dtype)


def _brightness(street: Street, normal: np.ndarray) -> float:
    """Share of the light that a surface of a unit normal `(3,)` reflects, after Lambert."""
    return AMBIENT + (1 - AMBIENT) * max(float(normal @ street.light), 0.0)


def _roughness(places: np.ndarray) -> np.ndarray:
    """Brightness of the ground at places `(N, 3)`, about 1: patches of several metres."""
    a, b = places[:, 0], places[:, 1]
    waves = np.sin(1.7 * a + 0.9 * np.sin(0.8 * b)) + np.sin(1.1 * b + 1.3 * np.sin(1.2 * a))
    return 1 + np.float32(0.035) * waves


def _house_colors(street: Street, places: np.ndarray, kind: int) -> np.ndarray:
    side = street.houses[kind - LEFT_HOUSES]
    materials = street.materials(places, kind)
    colors = COLORS[materials]
    walls = materials == Material.WALL
    colors[walls] = side.colors[side.number(places[walls, 1])]
    return colors


def _sky(street: Street, rays: np.ndarray) -> np.ndarray:
    """Colours of the sky, and of the trees at the horizon, in directions `(N, 3)`."""
    right, ahead, up = (rays @ street.axes).T
    rise = up / np.hypot(right, ahead)
    turn = np.arctan2(right, ahead) + street.heading_rad
    tops = 0.022 + 0.008 * np.sin(23 * turn) + 0.005 * np.sin(71 * turn + 1)
    height = (rise * 2.2).clip(0, 1)[:, None].astype(np.float32)
    colors = HORIZON + (ZENITH - HORIZON) * height
    colors[rise < tops] = TREES
    return colors
