"""Random rooms: where the camera is, where the walls are, and what stands between them.

Held-out rooms have camera heights, distances and turns of walls that no training room has: each
range is cut into bands, of which training and held-out rooms take every second one.
"""

import math

import numpy as np

from vision.data.synthetic.scenes import MIN_VISIBLE, Glyphs, make_sticker, sticker_colors
from vision.data.synthetic.space_camera import Camera
from vision.data.synthetic.space_render import view
from vision.data.synthetic.space_surfaces import Surface
from vision.data.synthetic.space_world import Plane, Standee, Wall, World

BANDS = 7
ELEVATIONS_M = (0.8, 1.6)
DISTANCES_M = (3.0, 7.0)  # of the back wall, ahead
TURNS_DEG = (-24.0, 24.0)  # of the room about the vertical axis
# The rest does not differ between training and held-out rooms.
FOCALS = (0.9, 1.0)  # focal length by the width of the image
PITCHES_DEG = (4.0, 18.0)
SIDES_M = (1.3, 2.8)  # of the left and right wall, from the camera
HEIGHTS_M = (0.7, 0.9)  # of stickers
MAX_STANDEES = 4
STANDEE_TURN_DEG = 30.0
# Nearest distance of a sticker, and its distance from a wall.
NEAREST_M, CLEARANCE_M = 1.5, 0.1
FARTHEST_M = 5.0
MIN_PIXELS = 40  # of a sticker that is visible
TRIES = 12
TEXELS = 72  # height of the pictures of stickers


def banded(rng: np.random.Generator, bounds: tuple[float, float], *, held_out: bool) -> float:
    """A random number of a range, in one of every second of its `BANDS` bands.

    Args:
        rng: Source of the choice.
        bounds: The range.
        held_out: Take one of the bands that training never has.
    """
    bands = range(int(held_out), BANDS, 2)
    band = bands[int(rng.integers(len(bands)))]
    low, high = bounds
    return low + (high - low) * (band + rng.random()) / BANDS


def compose_world(
    rng: np.random.Generator,
    glyphs: Glyphs,
    *,
    height: int,
    width: int,
    held_out: bool,
    stickers: int = MAX_STANDEES,
    heights_m: tuple[float, float] = HEIGHTS_M,
) -> World:
    """Compose a room with stickers in it.

    Args:
        rng: Source of every choice: equal generators make equal rooms.
        glyphs: The digits to choose from.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        held_out: Take a camera height and a layout that no training room has.
        stickers: The largest number of stickers.
        heights_m: Range of their heights, in metres.

    Returns:
        The room. All depths are between 0.7 and 10 metres. Every sticker lies within the image, and
        at least half of it is visible.
    """
    camera = Camera(
        height=height,
        width=width,
        focal_px=width * rng.uniform(*FOCALS),
        pitch_rad=math.radians(rng.uniform(*PITCHES_DEG)),
        elevation_m=banded(rng, ELEVATIONS_M, held_out=held_out),
    )
    turn = math.radians(banded(rng, TURNS_DEG, held_out=held_out))
    ahead = banded(rng, DISTANCES_M, held_out=held_out)
    left, right = rng.uniform(*SIDES_M, size=2)
    light = camera.from_level(rng.uniform((-0.7, -1.0, -0.7), (-0.3, -0.8, -0.3)))
    walls = _room(rng, camera, turn, ahead, left, right)
    world = World(camera, walls, (), light / np.linalg.norm(light))
    for _ in range(int(rng.integers(1, stickers + 1))):
        index = int(rng.integers(len(glyphs.labels)))
        sticker = make_sticker(rng, glyphs, index, TEXELS)
        stroke, ground = sticker_colors(rng)
        for _ in range(TRIES):
            plane, height_m = _place(rng, camera, ahead, heights_m)
            item = Standee(int(glyphs.labels[index]), plane, sticker, height_m, stroke, ground)
            if _fits(world, item):
                world = World(camera, walls, (*world.standees, item), world.light)
                break
    return world


def _room(
    rng: np.random.Generator, camera: Camera, turn: float, ahead: float, left: float, right: float
) -> tuple[Wall, ...]:
    """The floor, the back wall, the left and the right one."""
    forward = np.array([math.sin(turn), 0.0, math.cos(turn)])
    aside = np.array([math.cos(turn), 0.0, -math.sin(turn)])
    down = np.array([0.0, 1.0, 0.0])
    floor = down * camera.elevation_m
    planes = [
        (floor, aside, forward),
        (floor + forward * ahead, aside, down),
        (floor - aside * left, forward, down),
        (floor + aside * right, forward, down),
    ]
    # The walls have one surface, as rooms mostly do.
    surfaces = [Surface.sampled(rng), *[Surface.sampled(rng)] * 3]
    return tuple(
        Wall(Plane(*map(camera.from_level, plane)), surface, number == 0)
        for number, (plane, surface) in enumerate(zip(planes, surfaces, strict=True))
    )


def _place(
    rng: np.random.Generator, camera: Camera, ahead: float, heights_m: tuple[float, float]
) -> tuple[Plane, float]:
    """A place on the floor in the view of the camera, and a height."""
    distance = rng.uniform(NEAREST_M, min(ahead, FARTHEST_M))
    aside = rng.uniform(-0.5, 0.5) * distance * camera.width / camera.focal_px
    turn = math.radians(rng.uniform(-STANDEE_TURN_DEG, STANDEE_TURN_DEG))
    origin = np.array([aside, camera.elevation_m, distance])
    across = np.array([math.cos(turn), 0.0, -math.sin(turn)])
    axes = (camera.from_level(axis) for axis in (origin, across, np.array([0.0, -1.0, 0.0])))
    return Plane(*axes), float(rng.uniform(*heights_m))


def _fits(world: World, item: Standee) -> bool:
    """Whether a sticker stands in the room and in the image, and leaves enough of all visible."""
    camera = world.camera
    for wall in world.walls:
        # Signed distance of the corners from the wall, on the side of the camera.
        room = (item.corners - wall.plane.origin) @ wall.plane.normal
        if not wall.is_floor and room.min() < CLEARANCE_M:
            return False
    places = camera.project(item.corners)
    if (places < 0).any() or (places > (camera.width - 1, camera.height - 1)).any():
        return False
    seen = view(World(camera, world.walls, (*world.standees, item), world.light))
    return all(one.visible >= MIN_VISIBLE and one.mask.sum() >= MIN_PIXELS for one in seen.objects)
