"""Boxes that composed rooms and their furniture consist of.

Coordinates are metres, z up. A piece of furniture is made about the origin, on the floor, with its
back at larger y, and then turned and moved.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vision.data.datasets.s3dis import CLASSES

Color = tuple[int, int, int]
Point = tuple[float, float, float]

WHITE, CREAM, LIGHT, GREY = (225, 222, 215), (205, 188, 158), (182, 182, 178), (138, 138, 138)
DARK, WOOD, BROWN, BLUE = (55, 55, 60), (152, 106, 66), (96, 66, 46), (70, 94, 140)
GREEN, RED, SKY = (62, 98, 76), (142, 62, 56), (150, 184, 204)
# Colours of each class; every one is that of several classes.
PALETTE: dict[str, tuple[Color, ...]] = {
    "ceiling": (WHITE, LIGHT, CREAM),
    "floor": (GREY, WOOD, BROWN, CREAM, BLUE, LIGHT),
    "wall": (WHITE, CREAM, LIGHT, GREY, SKY),
    "beam": (WHITE, LIGHT, WOOD, GREY),
    "column": (WHITE, CREAM, LIGHT, GREY),
    "window": (SKY, DARK, WHITE, LIGHT),
    "door": (WOOD, BROWN, WHITE, GREY, BLUE),
    "table": (WOOD, WHITE, GREY, BROWN, CREAM),
    "chair": (DARK, BLUE, RED, GREY, WOOD, GREEN),
    "sofa": (DARK, BLUE, RED, GREY, GREEN, CREAM),
    "bookcase": (WOOD, BROWN, WHITE, GREY),
    "board": (WHITE, GREEN, DARK, LIGHT),
    "clutter": (WHITE, CREAM, GREY, DARK, WOOD, BLUE, GREEN, RED, SKY),
}
# What stands on the floor goes a little below it, so that the floor under it is hidden.
BELOW = 0.02


class Piece(NamedTuple):
    """A box; one without a thickness is a sheet.

    Attributes:
        label: Index of its class; -1 for an opening, where others have no points.
        centre: Its middle.
        size: Its sides along its own x, y, z.
        yaw: Its turn about z in radians.
        color: Its colour.
    """

    label: int
    centre: Point
    size: Point
    yaw: float
    color: Color


def label_of(name: str) -> int:
    """The index of a class."""
    return CLASSES.index(name)


def pick_color(rng: np.random.Generator, name: str, without: Sequence[Color] = ()) -> Color:
    """A colour of a class that is none of some others."""
    choices = [color for color in PALETTE[name] if color not in without]
    return choices[int(rng.integers(len(choices)))]


def block(name: str, low: Point, high: Point, color: Color) -> Piece:
    """A box of a class between two corners."""
    lows, highs = np.array(low), np.array(high)
    x, y, z = ((lows + highs) / 2).tolist()
    width, depth, height = (highs - lows).tolist()
    return Piece(label_of(name), (x, y, z), (width, depth, height), 0.0, color)


def opening(low: Point, high: Point) -> Piece:
    """A box within which other pieces have no points."""
    return block(CLASSES[0], low, high, GREY)._replace(label=-1)


def moved(pieces: Iterable[Piece], x: float, y: float, yaw: float, z: float = 0.0) -> list[Piece]:
    """Pieces about the origin, turned and then moved."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    found = []
    for piece in pieces:
        px, py, pz = piece.centre
        centre = (x + cos * px - sin * py, y + sin * px + cos * py, z + pz)
        found.append(piece._replace(centre=centre, yaw=piece.yaw + yaw))
    return found


def _legs(
    name: str, width: float, depth: float, top: float, side: float, color: Color
) -> list[Piece]:
    x, y = width / 2 - side, depth / 2 - side
    return [
        block(
            name, (sx - side / 2, sy - side / 2, -BELOW), (sx + side / 2, sy + side / 2, top), color
        )
        for sx in (-x, x)
        for sy in (-y, y)
    ]


def make_table(rng: np.random.Generator, width: float, depth: float, height: float) -> list[Piece]:
    """A table, on legs or on two panels."""
    color = pick_color(rng, "table")
    x, y = width / 2, depth / 2
    pieces = [block("table", (-x, -y, height - 0.04), (x, y, height), color)]
    if rng.random() < 0.5:
        return pieces + _legs("table", width, depth, height - 0.04, 0.06, color)
    sides = (-x + 0.05, x - 0.05)
    return pieces + [
        block("table", (at - 0.02, -y + 0.05, -BELOW), (at + 0.02, y - 0.05, height - 0.04), color)
        for at in sides
    ]


def make_chair(rng: np.random.Generator) -> list[Piece]:
    """A chair, on legs or on a foot."""
    color = pick_color(rng, "chair")
    half, seat = rng.uniform(0.2, 0.24), rng.uniform(0.4, 0.48)
    top = seat + rng.uniform(0.35, 0.5)
    pieces = [
        block("chair", (-half, -half, seat - 0.06), (half, half, seat), color),
        block("chair", (-half, half - 0.05, seat), (half, half, top), color),
    ]
    if rng.random() < 0.5:
        return pieces + _legs("chair", 2 * half, 2 * half, seat - 0.06, 0.04, color)
    return [
        *pieces,
        block("chair", (-0.03, -0.03, 0.0), (0.03, 0.03, seat - 0.06), DARK),
        block("chair", (-half, -0.04, -BELOW), (half, 0.04, 0.06), DARK),
        block("chair", (-0.04, -half, -BELOW), (0.04, half, 0.06), DARK),
    ]


def make_sofa(rng: np.random.Generator, width: float) -> list[Piece]:
    """A sofa, with its back at y = 0.4."""
    color = pick_color(rng, "sofa")
    seat, top, x = rng.uniform(0.38, 0.46), rng.uniform(0.7, 0.9), width / 2
    arm = seat + 0.2
    return [
        block("sofa", (-x, -0.4, -BELOW), (x, 0.4, seat), color),
        block("sofa", (-x, 0.2, seat), (x, 0.4, top), color),
        block("sofa", (-x, -0.4, seat), (-x + 0.16, 0.2, arm), color),
        block("sofa", (x - 0.16, -0.4, seat), (x, 0.2, arm), color),
    ]


def make_bookcase(rng: np.random.Generator, width: float, height: float) -> list[Piece]:
    """Shelves with books, with their back at y = 0.15."""
    color, x, y = pick_color(rng, "bookcase"), width / 2, 0.15
    shelves = int(height / rng.uniform(0.34, 0.45))
    levels = np.linspace(0, height - 0.03, shelves + 1).tolist()
    pieces = [
        block("bookcase", (-x, y - 0.02, -BELOW), (x, y, height), color),
        block("bookcase", (-x, -y, -BELOW), (-x + 0.03, y, height), color),
        block("bookcase", (x - 0.03, -y, -BELOW), (x, y, height), color),
    ]
    pieces += [block("bookcase", (-x, -y, at), (x, y, at + 0.03), color) for at in levels]
    for at in levels[:-1]:
        begin = -x + 0.04 + rng.uniform(0, 0.2)
        end = min(x - 0.04, begin + rng.uniform(0.2, width))
        top = at + 0.03 + rng.uniform(0.18, 0.28)
        if rng.random() < 0.8 and end - begin > 0.1:
            book = pick_color(rng, "clutter")
            pieces.append(
                block("bookcase", (begin, -y + 0.04, at + 0.03), (end, y - 0.03, top), book)
            )
    return pieces


def make_clutter(rng: np.random.Generator, side: tuple[float, float]) -> list[Piece]:
    """A box of any proportions, such as a bin, a parcel or a computer."""
    x, y = (rng.uniform(*side) / 2 for _ in range(2))
    height = rng.uniform(*side)
    return [block("clutter", (-x, -y, -BELOW), (x, y, height), pick_color(rng, "clutter"))]
