"""Furnished rooms: walls with doors, windows and boards, beams, columns, and what stands there.

A held-out room has a width, a depth and a height that no training room has: each range is cut into
bands, of which training and held-out rooms take every second one.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.data.synthetic.room_pieces import (
    BELOW,
    Color,
    Piece,
    block,
    make_bookcase,
    make_chair,
    make_clutter,
    make_sofa,
    make_table,
    moved,
    opening,
    pick_color,
)
from vision.data.synthetic.space_layout import banded

SIDES_M, HEIGHTS_M = (2.0, 3.6), (2.3, 3.2)
# How far windows and doors lie behind the wall, and a board before it.
RECESS_M, BOARD_M = 0.1, 0.05
KINDS = ("office", "conferenceRoom", "lounge", "storage", "hallway")
TRIES = 12


class Shell(NamedTuple):
    """A room without what stands in it.

    Attributes:
        width: Along x, from 0.
        depth: Along y, from 0.
        height: Along z, from 0.
        wall: Colour of the walls.
    """

    width: float
    depth: float
    height: float
    wall: Color


class Ground:
    """The floor of a room, and where something stands on it.

    Args:
        rng: Source of choices.
        shell: The room.
    """

    def __init__(self, rng: np.random.Generator, shell: Shell) -> None:
        self.rng = rng
        self.sides = (shell.width, shell.depth)
        self.taken: list[tuple[float, float, float]] = []

    def find(self, radius: float, *, gap: float = 0.05) -> tuple[float, float] | None:
        """A free place for what fits into a circle; None if none is found in a few tries."""
        for _ in range(TRIES):
            x, y = (
                float(self.rng.uniform(radius + gap, max(side - radius - gap, radius + gap + 1e-6)))
                for side in self.sides
            )
            if self.is_free(x, y, radius):
                self.taken.append((x, y, radius))
                return x, y
        return None

    def is_free(self, x: float, y: float, radius: float) -> bool:
        """Whether a circle lies in the room and meets nothing that stands there."""
        inside = all(
            radius <= at <= side - radius for at, side in zip((x, y), self.sides, strict=True)
        )
        return inside and all(
            math.hypot(x - ox, y - oy) >= radius + other for ox, oy, other in self.taken
        )

    def at_wall(self, width: float, depth: float) -> tuple[float, float, float] | None:
        """A free place with the back to a wall: x, y and yaw; None if none is found."""
        radius = max(width, depth) / 2
        for _ in range(TRIES):
            wall = int(self.rng.integers(4))
            along = self.sides[wall % 2]
            if along < width + 0.1:
                continue
            at = float(self.rng.uniform(width / 2, along - width / 2))
            x, y, yaw = _on_wall(wall, at, depth / 2 + 0.02, self.sides)
            if all(math.hypot(x - ox, y - oy) >= 0.8 * (radius + r) for ox, oy, r in self.taken):
                self.taken.append((x, y, radius))
                return x, y, yaw
        return None


def _on_wall(
    wall: int, at: float, off: float, sides: Sequence[float]
) -> tuple[float, float, float]:
    """The place at a distance from a wall, and the yaw of what has its back to it.

    Walls 0 and 2 are at the smallest and largest y, walls 1 and 3 at the largest and smallest x.
    """
    width, depth = sides
    if wall == 0:
        return at, off, math.pi
    if wall == 1:
        return width - off, at, -math.pi / 2
    if wall == 2:
        return at, depth - off, 0.0
    return off, at, math.pi / 2


def compose_room(rng: np.random.Generator, kind: str, *, held_out: bool) -> list[Piece]:
    """Compose a room.

    Args:
        rng: Source of every choice: equal generators make equal rooms.
        kind: One of `KINDS`.
        held_out: Take sides and a height that no training room has.
    """
    width, depth, height = (
        banded(rng, bounds, held_out=held_out) for bounds in (SIDES_M, SIDES_M, HEIGHTS_M)
    )
    if kind == "hallway":
        width, depth = 0.6 * width, 1.3 * depth
    shell = Shell(width, depth, height, pick_color(rng, "wall"))
    ground = Ground(rng, shell)
    return [
        *_shell(rng, shell),
        *_on_walls(rng, shell, kind),
        *_supports(rng, shell, ground),
        *_furniture(rng, shell, ground, kind),
    ]


def _shell(rng: np.random.Generator, shell: Shell) -> list[Piece]:
    x, y, z = shell.width, shell.depth, shell.height
    walls = [
        ((0.0, 0.0, 0.0), (x, 0.0, z)),
        ((x, 0.0, 0.0), (x, y, z)),
        ((0.0, y, 0.0), (x, y, z)),
        ((0.0, 0.0, 0.0), (0.0, y, z)),
    ]
    return [
        block("floor", (0, 0, 0), (x, y, 0), pick_color(rng, "floor")),
        block("ceiling", (0, 0, z), (x, y, z), pick_color(rng, "ceiling")),
        *(block("wall", low, high, shell.wall) for low, high in walls),
    ]


def _on_walls(rng: np.random.Generator, shell: Shell, kind: str) -> list[Piece]:
    """A door, and on other parts of the walls windows and a board."""
    wanted = ["door", "door"] if kind == "hallway" else ["door"]
    if kind not in ("storage", "hallway"):
        wanted += ["window", *(["window"] if rng.random() < 0.5 else [])]
    if kind != "hallway" and rng.random() < 0.8:
        wanted.append("board")
    walls = rng.permutation(4).tolist()
    return [
        piece
        for name, wall in zip(wanted, walls, strict=False)
        for piece in _on_one_wall(rng, shell, name, wall)
    ]


def _on_one_wall(rng: np.random.Generator, shell: Shell, name: str, wall: int) -> list[Piece]:
    low, high, side = {
        "door": (0.0, min(2.05, shell.height - 0.15), rng.uniform(0.75, 0.95)),
        "window": (rng.uniform(0.7, 1.0), rng.uniform(1.9, 2.15), rng.uniform(0.8, 1.6)),
        "board": (rng.uniform(0.8, 1.0), rng.uniform(1.8, 2.1), rng.uniform(1.0, 1.7)),
    }[name]
    sides = (shell.width, shell.depth)
    along = sides[wall % 2]
    side = min(side, along - 0.3)
    at = float(rng.uniform(side / 2 + 0.1, along - side / 2 - 0.1))
    color = pick_color(rng, name, without=[shell.wall])
    x = side / 2
    if name == "board":
        made = [block("board", (-x, -BOARD_M, low), (x, 0, high), color)]
    else:
        made = [
            block(name, (-x, RECESS_M, low), (x, RECESS_M, high), color),
            opening((-x, -0.03, low - BELOW), (x, 0.03, high)),
        ]
    return moved(made, *_on_wall(wall, at, 0.0, sides))


def _supports(rng: np.random.Generator, shell: Shell, ground: Ground) -> list[Piece]:
    """Columns at the walls and a beam below the ceiling, in about half of the rooms each."""
    pieces = []
    for _ in range(int(rng.integers(0, 3))):
        side = float(rng.uniform(0.22, 0.4))
        place = ground.at_wall(side, side)
        if place is not None:
            x, y, _ = place
            half, color = side / 2, pick_color(rng, "column")
            pieces.append(
                block(
                    "column",
                    (x - half, y - half, -BELOW),
                    (x + half, y + half, shell.height),
                    color,
                )
            )
    if rng.random() < 0.6:
        half, drop = rng.uniform(0.1, 0.2), rng.uniform(0.18, 0.32)
        color, low = pick_color(rng, "beam"), shell.height - drop
        at = float(rng.uniform(0.25, 0.75))
        if rng.random() < 0.5:
            x = at * shell.width
            ends = (x - half, 0.0, low), (x + half, shell.depth, shell.height + BELOW)
        else:
            y = at * shell.depth
            ends = (0.0, y - half, low), (shell.width, y + half, shell.height + BELOW)
        pieces.append(block("beam", *ends, color))
    return pieces


def _furniture(rng: np.random.Generator, shell: Shell, ground: Ground, kind: str) -> list[Piece]:
    pieces: list[Piece] = []
    if kind in ("office", "storage", "lounge"):
        for _ in range({"office": 1, "storage": 3, "lounge": 1}[kind]):
            pieces += _bookcase(rng, shell, ground)
    if kind == "lounge":
        for _ in range(int(rng.integers(1, 3))):
            width = float(rng.uniform(1.1, 1.6))
            place = ground.at_wall(width, 0.8)
            pieces += [] if place is None else moved(make_sofa(rng, width), *place)
    tables = {"office": 2, "conferenceRoom": 1, "lounge": 1, "storage": 0, "hallway": 0}[kind]
    for _ in range(tables):
        pieces += _table(rng, ground, kind)
    chairs = {"office": 2, "conferenceRoom": 1, "lounge": 1, "storage": 0, "hallway": 1}[kind]
    for _ in range(chairs):
        pieces += _put(rng, ground, make_chair(rng), 0.3)
    for _ in range(int(rng.integers(1, 6 if kind == "storage" else 4))):
        pieces += _put(rng, ground, make_clutter(rng, (0.15, 0.45)), 0.25)
    return pieces


def _put(
    rng: np.random.Generator, ground: Ground, pieces: list[Piece], radius: float
) -> list[Piece]:
    place = ground.find(radius)
    return [] if place is None else moved(pieces, *place, float(rng.uniform(0, 2 * math.pi)))


def _bookcase(rng: np.random.Generator, shell: Shell, ground: Ground) -> list[Piece]:
    width = float(rng.uniform(0.6, 1.2))
    height = float(rng.uniform(1.1, min(2.2, shell.height - 0.1)))
    place = ground.at_wall(width, 0.3)
    return [] if place is None else moved(make_bookcase(rng, width, height), *place)


def _table(rng: np.random.Generator, ground: Ground, kind: str) -> list[Piece]:
    """A table with chairs about it and something on it."""
    low = kind == "lounge"
    height = float(rng.uniform(0.38, 0.5) if low else rng.uniform(0.66, 0.78))
    width, depth = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.5, 0.8))
    place = ground.find(math.hypot(width, depth) / 2 - 0.1)
    if place is None:
        return []
    x, y = place
    yaw = float(rng.integers(4)) * math.pi / 2 + float(rng.uniform(-0.1, 0.1))
    pieces = moved(make_table(rng, width, depth, height), x, y, yaw)
    for _ in range(int(rng.integers(0, 3))):
        dx, dy = (rng.uniform(-0.3, 0.3) * side for side in (width, depth))
        pieces += moved(
            moved(make_clutter(rng, (0.1, 0.3)), dx, dy, rng.uniform(0, 3), height), x, y, yaw
        )
    seats = 0 if low else {"office": 1, "conferenceRoom": 4}.get(kind, 0)
    for turn in range(seats):
        angle = yaw + turn * math.pi / 2 - math.pi / 2
        away = (depth if turn % 2 == 0 else width) / 2 + 0.15
        sx, sy = x + away * math.cos(angle), y + away * math.sin(angle)
        if all(0.25 < at < side - 0.25 for at, side in zip((sx, sy), ground.sides, strict=True)):
            pieces += moved(make_chair(rng), sx, sy, angle - math.pi / 2 + rng.uniform(-0.3, 0.3))
            ground.taken.append((sx, sy, 0.3))
    return pieces
