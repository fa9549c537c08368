"""Random streets: where the camera is, what the road is like, and what stands on it.

Held-out streets have camera heights, headings and widths of the road that no training street has:
each range is cut into bands, of which training and held-out streets take every second one.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vision.data.synthetic.space_layout import banded
from vision.data.synthetic.street_camera import Rig
from vision.data.synthetic.street_materials import thing_palette
from vision.data.synthetic.street_world import Houses, Street, Thing
from vision.data.synthetic.textures import hsv_color
from vision.ops.angles import wrapped

ELEVATIONS_M = (1.58, 1.72)
HEADINGS_DEG = (-7.0, 7.0)
HALF_ROADS_M = (3.4, 5.2)
# The rest does not differ between training and held-out streets.
FOCALS = (0.70, 0.80)  # focal length by the width of the image
CENTERS = ((0.49, 0.51), (0.445, 0.475))  # principal point by the width and by the height
PITCHES_DEG = (-0.6, 0.6)
LIDAR_TURNS_DEG = (-0.8, 0.8)
PAVEMENTS_M = (1.8, 3.0)
SETBACKS_M = (0.5, 5.0)  # of the houses from the pavement
HOUSES_M = (7.0, 14.0)  # width of a front
STORIES = (2, 5)
GAP = 0.2  # share of fronts that are absent
# How far the fronts reach along the road, before and behind the camera.
REACH_M = (-20.0, 110.0)
THINGS = (3, 8)
DISTANCES_M = (5.0, 50.0)
NEARNESS = 1.6  # above 1: more are near
TRIES = 20
CLEARANCE_M = 0.3  # between boxes
MAX_COVERED = 0.7  # share of a rectangle in the image that is behind a nearer one
MAX_OUTSIDE = 0.6  # share of it that is outside the image
MAX_SPREAD = 2.2  # standard deviations by which sizes differ from their mean at most
# KITTI counts in hundredths of a metre and of a radian.
DECIMALS = 2


class Kind(NamedTuple):
    """What things of a class are like: share of all, mean length, height, width, and spread."""

    share: float
    size: tuple[float, float, float]
    spread: tuple[float, float, float]


KINDS = {
    "Car": Kind(0.64, (3.88, 1.53, 1.63), (0.35, 0.12, 0.09)),
    "Van": Kind(0.08, (5.08, 2.2, 1.9), (0.3, 0.15, 0.1)),
    "Pedestrian": Kind(0.16, (0.84, 1.76, 0.66), (0.12, 0.1, 0.08)),
    "Cyclist": Kind(0.12, (1.76, 1.74, 0.6), (0.1, 0.08, 0.06)),
}


def compose_street(rng: np.random.Generator, *, height: int, width: int, held_out: bool) -> Street:
    """Compose a street with things on it.

    Args:
        rng: Source of every choice: equal generators make equal streets.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        held_out: Take a camera height and a road that no training street has.

    Returns:
        The street. Boxes do not overlap on the ground, and their numbers are hundredths.
    """
    rig = Rig(
        height=height,
        width=width,
        focal_px=width * rng.uniform(*FOCALS),
        center_px=(width * rng.uniform(*CENTERS[0]), height * rng.uniform(*CENTERS[1])),
        pitch_rad=math.radians(rng.uniform(*PITCHES_DEG)),
        elevation_m=banded(rng, ELEVATIONS_M, held_out=held_out),
        lidar_turn_rad=math.radians(rng.uniform(*LIDAR_TURNS_DEG)),
    )
    half_road = banded(rng, HALF_ROADS_M, held_out=held_out)
    pavement = rng.uniform(*PAVEMENTS_M)
    light = rig.from_level(rng.uniform((-0.8, -1.0, -0.9), (0.8, -0.7, 0.3)))
    street = Street(
        rig=rig,
        heading_rad=math.radians(banded(rng, HEADINGS_DEG, held_out=held_out)),
        offset_m=half_road * rng.uniform(0.3, 0.5),
        half_road_m=half_road,
        pavement_m=pavement,
        houses=(
            _houses(rng, -(half_road + pavement + rng.uniform(*SETBACKS_M))),
            _houses(rng, half_road + pavement + rng.uniform(*SETBACKS_M)),
        ),
        things=(),
        light=light / np.linalg.norm(light),
    )
    things: list[Thing] = []
    for _ in range(int(rng.integers(THINGS[0], THINGS[1] + 1))):
        kind = str(rng.choice(list(KINDS), p=[one.share for one in KINDS.values()]))
        for _ in range(TRIES):
            thing = _thing(rng, street, kind)
            if _fits(street, things, thing):
                things.append(thing)
                break
    return replace(street, things=tuple(things))


def _houses(rng: np.random.Generator, distance: float) -> Houses:
    """The fronts of one side, at a distance to the right of the middle of the road."""
    number = math.ceil((REACH_M[1] - REACH_M[0]) / HOUSES_M[0])
    ends = REACH_M[0] + rng.uniform(*HOUSES_M, size=number).cumsum()
    heights = 2.9 * rng.integers(*STORIES, size=number) + rng.uniform(0.3, 1.2, size=number)
    colors = [
        hsv_color(rng.uniform(0, 0.16), rng.uniform(0.05, 0.5), rng.uniform(0.5, 0.95))
        for _ in range(number)
    ]
    return Houses(
        distance=distance,
        ends=ends,
        begin=REACH_M[0],
        heights=heights * (rng.random(number) > GAP),
        colors=np.stack(colors),
    )


def _thing(rng: np.random.Generator, street: Street, kind: str) -> Thing:
    """A box of a class at a random place of the street."""
    mean, spread = KINDS[kind].size, KINDS[kind].spread
    steps = rng.standard_normal(3).clip(-MAX_SPREAD, MAX_SPREAD)
    size = (np.array(mean) + np.array(spread) * steps).round(DECIMALS)
    near, far = DISTANCES_M
    along = near + (far - near) * rng.random() ** NEARNESS
    aside, turn = _person_way(rng, street, kind) if size[2] < 1 else _car_way(rng, street, size[2])
    x, y, z = street.points(np.array([aside, along, 0.0]))
    x, z = round(x, DECIMALS), round(z, DECIMALS)
    # On the ground below that place, to the nearest hundredth.
    lift = street.axes[:, 2]
    y = -(street.rig.elevation_m + lift[0] * x + lift[2] * z) / lift[1]
    # 0 is to the right of the camera, and angles rise clockwise.
    yaw = round(wrapped(street.heading_rad + turn - math.pi / 2), DECIMALS)
    bottom = np.array([x, round(y, DECIMALS), z])
    return Thing(kind=kind, size=size, bottom=bottom, yaw=yaw, palette=thing_palette(rng))


def _car_way(rng: np.random.Generator, street: Street, width: float) -> tuple[float, float]:
    """Place to the right of the road's middle, and turn against the road, of a car."""
    side, half = float(rng.choice([-1, 1])), street.half_road_m
    wobble = math.radians(rng.normal(0, 2.5))
    way = rng.choice(["drives", "is parked", "crosses", "stands"], p=[0.42, 0.36, 0.12, 0.1])
    if way == "drives":
        return side * half / 2 + rng.normal(0, 0.2), wobble + math.pi * (side < 0)
    if way == "is parked":
        aside = side * (half - width / 2 + rng.uniform(-0.1, 0.9))
        return aside, wobble + math.pi * int(rng.integers(2))
    aside = rng.uniform(-half, half)
    if way == "crosses":
        return aside, wobble * 3 + math.pi * (int(rng.integers(2)) - 0.5)
    return aside, rng.uniform(-math.pi, math.pi)


def _person_way(rng: np.random.Generator, street: Street, kind: str) -> tuple[float, float]:
    """As `_car_way`, of a person on foot or on a bicycle."""
    side, half, anywhere = float(rng.choice([-1, 1])), street.half_road_m, rng.random() < 0.3
    turn = rng.uniform(-math.pi, math.pi)
    if anywhere:
        return rng.uniform(-half, half), turn
    if kind == "Cyclist":
        wobble = math.radians(rng.normal(0, 6))
        return side * (half - rng.uniform(0.4, 1.2)), wobble + math.pi * (side < 0)
    return side * (half + rng.uniform(0.4, street.pavement_m)), turn


def _fits(street: Street, things: list[Thing], thing: Thing) -> bool:
    """Whether a box is in the image, and is clear of the houses and of all others."""
    corners = thing.corners()
    aside = street.places(corners)[:, 0]
    left, right = (side.distance for side in street.houses)
    if corners[:, 2].min() < 1 or aside.min() < left + CLEARANCE_M:
        return False
    if aside.max() > right - CLEARANCE_M or any(_touch(thing, other) for other in things):
        return False
    whole, inside = rectangle(street, thing)
    if area(inside) < (1 - MAX_OUTSIDE) * area(whole):
        return False
    for other in things:
        first, second = sorted([thing, other], key=lambda one: float(one.bottom[2]))
        covered = _shared(rectangle(street, first)[1], rectangle(street, second)[1])
        if covered > MAX_COVERED * area(rectangle(street, second)[1]):
            return False
    return True


def rectangle(street: Street, thing: Thing) -> tuple[np.ndarray, np.ndarray]:
    """The rectangle around a box in the image, `(x1, y1, x2, y2)`: all of it, and clipped."""
    rig = street.rig
    places = rig.project(thing.corners())
    whole = np.concatenate([places.min(axis=0), places.max(axis=0)])
    return whole, whole.clip(0, [rig.width - 1, rig.height - 1] * 2)


def area(box: np.ndarray) -> float:
    """Area of a rectangle `(x1, y1, x2, y2)`; 0 if it is empty."""
    return float(np.prod((box[2:] - box[:2]).clip(min=0)))


def _shared(first: np.ndarray, second: np.ndarray) -> float:
    both = [np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])]
    return area(np.concatenate(both))


def _touch(first: Thing, second: Thing) -> bool:
    """Whether two boxes come too near: no side of either separates their outlines."""
    outlines = [one.corners(CLEARANCE_M / 2)[:4] for one in (first, second)]
    for axis in (*first.axes.T[:2], *second.axes.T[:2]):
        one, other = (outline @ axis for outline in outlines)
        if one.min() > other.max() or other.min() > one.max():
            return False
    return True
