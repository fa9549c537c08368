"""What the things of a street are made of: which material is where, its colour, its reflectance.

A face of a box has coordinates from its lower left corner, seen from outside: `across` and `up`, in
metres.
"""

from enum import IntEnum

import numpy as np

from vision.data.synthetic.textures import hsv_color


class Material(IntEnum):
    """A material; its number is the row in `REFLECTANCE` and in palettes."""

    ROAD = 0
    MARKING = 1
    PAVEMENT = 2
    GRASS = 3
    WALL = 4
    WINDOW = 5
    DOOR = 6
    BODY = 7
    GLASS = 8
    TYRE = 9
    HUB = 10
    HEADLIGHT = 11
    TAIL_LIGHT = 12
    PLATE = 13
    GRILLE = 14
    SKIN = 15
    HAIR = 16
    SHIRT = 17
    TROUSERS = 18
    FRAME = 19
    BACKGROUND = 20


# Share of the light of the lidar that comes back, in [0, 1].
REFLECTANCE = np.array(
    [
        *(0.15, 0.6, 0.3, 0.35, 0.35, 0.05, 0.25, 0.4, 0.05, 0.04, 0.5, 0.8, 0.85, 0.95, 0.1),
        *(0.35, 0.15, 0.3, 0.2, 0.45, 0.25),
    ],
    np.float32,
)
# RGB in [0, 255]; those that differ from thing to thing are drawn for each.
COLORS = np.array(
    [
        *((98, 98, 102), (225, 225, 220), (160, 156, 150), (92, 122, 62), (180, 150, 120)),
        *((58, 72, 92), (92, 60, 40), (150, 30, 30), (40, 50, 62), (24, 24, 26)),
        *((165, 165, 170), (250, 246, 205), (205, 20, 25), (240, 240, 225), (38, 38, 42)),
        *((215, 170, 140), (60, 42, 30), (60, 90, 160), (50, 52, 66), (200, 60, 40)),
        (128, 132, 138),
    ],
    np.float32,
)
FRONT, REAR, LEFT, RIGHT, TOP, BOTTOM = range(6)
# Of a wheel of a car, and of a bicycle.
CAR_WHEEL_M, CYCLE_WHEEL_M = 0.33, 0.34


def thing_palette(rng: np.random.Generator) -> np.ndarray:
    """Colours of the materials of one car or person, float32 `(materials, 3)` in [0, 255]."""
    palette = COLORS.copy()
    # Half of all cars are white, grey or black.
    saturation = rng.uniform(0.5, 0.9) if rng.random() < 0.5 else rng.uniform(0, 0.06)
    palette[Material.BODY] = hsv_color(rng.random(), saturation, rng.uniform(0.25, 0.95))
    palette[Material.SHIRT] = hsv_color(rng.random(), rng.uniform(0.2, 0.9), rng.uniform(0.4, 0.95))
    palette[Material.TROUSERS] = hsv_color(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.1, 0.5))
    palette[Material.FRAME] = hsv_color(rng.random(), 0.8, rng.uniform(0.4, 0.9))
    palette[Material.SKIN] *= rng.uniform(0.45, 1.05)
    palette[Material.HAIR] *= rng.uniform(0.5, 2.2)
    return palette.clip(0, 255)


def materials_of(
    kind: str, face: np.ndarray, across: np.ndarray, up: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """The materials of a thing at places of its faces.

    Args:
        kind: KITTI's class.
        face: `(N,)`, one of `FRONT` to `BOTTOM`.
        across: `(N,)` from the left of the face, in metres.
        up: `(N,)` from its lower edge; on top from the rear to the front.
        size: Length, height and width `(3,)` in metres.

    Returns:
        uint8 `(N,)`.
    """
    length, height, width = size
    wide = np.where((face == LEFT) | (face == RIGHT), length, width)
    high = np.where(face >= TOP, length, height)
    u, v = across / wide, up / high
    if kind in ("Car", "Van"):
        return _of_car(kind == "Van", face, u, v, across, up, length)
    if kind == "Pedestrian":
        return _of_pedestrian(face, u, v)
    return _of_cyclist(face, u, v, across, up, length)


def _of_car(
    van: bool,
    face: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    across: np.ndarray,
    up: np.ndarray,
    length: float,
) -> np.ndarray:
    found = np.full(face.shape, Material.BODY, np.uint8)
    ends, sides = (face == FRONT) | (face == REAR), (face == LEFT) | (face == RIGHT)
    inner = np.abs(u - 0.5)
    found[ends & (v > 0.55) & (v < 0.93) & (inner < 0.42)] = Material.GLASS
    found[ends & (v < 0.12)] = Material.GRILLE
    lights = ends & (v > 0.36) & (v < 0.5) & (inner > 0.3) & (inner < 0.47)
    found[lights & (face == FRONT)] = Material.HEADLIGHT
    found[lights & (face == REAR)] = Material.TAIL_LIGHT
    found[(face == FRONT) & (v > 0.2) & (v < 0.45) & (inner < 0.25)] = Material.GRILLE
    found[(face == REAR) & (v > 0.22) & (v < 0.34) & (inner < 0.17)] = Material.PLATE
    # From the rear (0) to the front (1).
    ahead = np.where(face == LEFT, 1 - u, u)
    pane = sides & (v > 0.55) & (v < 0.92) & (ahead > (0.68 if van else 0.12))
    pane &= (ahead < 0.84 + 0.16 * (0.92 - v)) & ((np.abs(ahead - 0.48) > 0.02) | van)
    found[pane] = Material.GLASS
    found[sides & (v > 0.42) & (v < 0.5) & (ahead > 0.965)] = Material.HEADLIGHT
    found[sides & (v > 0.38) & (v < 0.5) & (ahead < 0.03)] = Material.TAIL_LIGHT
    for place in (0.19 * length, 0.81 * length):
        away = np.hypot(across - place, up - CAR_WHEEL_M)
        found[sides & (away < CAR_WHEEL_M)] = Material.TYRE
        found[sides & (away < 0.55 * CAR_WHEEL_M)] = Material.HUB
    # The windscreen is seen from above too; v is from the rear to the front.
    found[(face == TOP) & (v > 0.62) & (v < 0.76) & (inner < 0.42)] = Material.GLASS
    return found


def _of_pedestrian(face: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    found = np.full(face.shape, Material.BACKGROUND, np.uint8)
    inner = np.abs(u - 0.5)
    ends = (face == FRONT) | (face == REAR)
    found[(v > 0.47) & (v < 0.84) & (inner < np.where(ends, 0.42, 0.28))] = Material.SHIRT
    found[(v <= 0.47) & (inner < np.where(ends, 0.3, 0.25))] = Material.TROUSERS
    found[(v <= 0.42) & ends & (inner < 0.05)] = Material.BACKGROUND
    head = np.hypot(inner * 0.45, v - 0.92) < 0.075
    found[head] = Material.HAIR
    # A face in front; on a side it is on the half that is ahead.
    ahead = np.where(face == LEFT, 0.5 - u, u - 0.5)
    found[head & (v < 0.95) & ((face == FRONT) | ((face != REAR) & (ahead > 0)))] = Material.SKIN
    found[face == TOP] = Material.HAIR
    return found


def _of_cyclist(
    face: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    across: np.ndarray,
    up: np.ndarray,
    length: float,
) -> np.ndarray:
    found = np.full(face.shape, Material.BACKGROUND, np.uint8)
    inner = np.abs(u - 0.5)
    sides = (face == LEFT) | (face == RIGHT)
    narrow = ~sides & (face != TOP)
    for place in (CYCLE_WHEEL_M, length - CYCLE_WHEEL_M):
        away = np.hypot(across - place, up - CYCLE_WHEEL_M)
        found[sides & (away < CYCLE_WHEEL_M) & (away > 0.7 * CYCLE_WHEEL_M)] = Material.TYRE
    found[narrow & (v < 0.38) & (inner < 0.1)] = Material.TYRE
    # From the rear (0) to the front (1).
    ahead = np.where(face == LEFT, 1 - u, u)
    found[sides & (np.abs(v - 0.38) < 0.025) & (np.abs(ahead - 0.5) < 0.3)] = Material.FRAME
    found[sides & (np.abs(ahead - 0.8 + 0.2 * v) < 0.025) & (v < 0.58)] = Material.FRAME
    found[(v > 0.25) & (v < 0.53) & np.where(sides, np.abs(ahead - 0.48) < 0.08, inner < 0.3)] = (
        Material.TROUSERS
    )
    lean = 0.35 + 0.35 * (v - 0.5)
    found[(v > 0.5) & (v < 0.86) & np.where(sides, np.abs(ahead - lean) < 0.13, inner < 0.42)] = (
        Material.SHIRT
    )
    away = np.hypot(np.where(sides, (ahead - 0.5) * 1.0, inner * 0.34), v - 0.92)
    found[away < 0.075] = Material.HAIR
    face_seen = (face == FRONT) | (sides & (ahead > 0.5))
    found[(away < 0.075) & face_seen & (v < 0.94)] = Material.SKIN
    found[(face == FRONT) & (np.abs(v - 0.58) < 0.03) & (inner < 0.48)] = Material.FRAME
    found[(face == FRONT) & (np.abs(v - 0.5) < 0.03) & (inner < 0.1)] = Material.HEADLIGHT
    found[(face == REAR) & (np.abs(v - 0.42) < 0.03) & (inner < 0.14)] = Material.TAIL_LIGHT
    found[face == TOP] = Material.SHIRT
    return found
