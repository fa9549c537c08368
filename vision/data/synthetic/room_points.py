"""Points on the surfaces of boxes, as a scanner finds them: with noise, holes and colours.

Letters: P points, N pieces.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.data.synthetic.room_pieces import Piece

NOISE_M = 0.004
# Points so far within a box, or less, are seen.
SEEN_M = 0.002
# Of holes: their number, their radii, and the share of points that they take.
HOLES, RADII_M, TAKEN = (3, 8), (0.12, 0.4), 0.95
# Of colours: light of a room, of a face, and noise of a point, of 255.
LIGHTS, FACES, GRAIN = (0.75, 1.1), (0.88, 1.06), 7.0


class RoomPoints(NamedTuple):
    """The points of a room.

    Attributes:
        points: float64 `(P, 3)` in metres.
        colors: uint8 `(P, 3)` RGB.
        label: int64 `(P,)` class index.
    """

    points: np.ndarray
    colors: np.ndarray
    label: np.ndarray


def sample_points(
    rng: np.random.Generator, pieces: Sequence[Piece], *, density: float
) -> RoomPoints:
    """Points on all faces that no other piece hides, in random order.

    Args:
        rng: Source of choices.
        pieces: The room.
        density: Points on a square metre.
    """
    solid = [piece for piece in pieces if piece.label >= 0]
    centres, sizes = (np.array([each[key] for each in solid]) for key in (1, 2))  # (N, 3)
    yaws = np.array([piece.yaw for piece in solid])
    pairs = np.stack([sizes[:, [1, 2]], sizes[:, [0, 2]], sizes[:, [0, 1]]], axis=1).prod(axis=2)
    areas = np.stack([pairs, np.where(sizes > 0, pairs, 0)], axis=1)  # (N, side, axis)
    counts = rng.poisson(areas * density)
    owner, side, axis = (
        np.repeat(place, counts.ravel())
        for place in (index.ravel() for index in np.indices(areas.shape))
    )
    local = rng.uniform(-0.5, 0.5, (len(owner), 3))
    local[np.arange(len(owner)), axis] = side - 0.5
    points = turned(local * sizes[owner], yaws[owner]) + centres[owner]
    gains = rng.uniform(*FACES, areas.shape)[owner, side, axis]
    seen = ~hidden(points, owner, pieces, solid) & ~_in_holes(rng, points)
    order = rng.permutation(np.flatnonzero(seen))
    base = np.array([piece.color for piece in solid])[owner[order]]
    label = np.array([piece.label for piece in solid], np.int64)[owner[order]]
    noisy = points[order] + rng.normal(0, NOISE_M, (len(order), 3))
    return RoomPoints(noisy, _colors(rng, base, gains[order]), label)


def turned(points: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Points `(P, 3)`, each turned about z by its own angle `(P,)`."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y, z = points.T
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)


def hidden(
    points: np.ndarray, owner: np.ndarray, pieces: Sequence[Piece], solid: Sequence[Piece]
) -> np.ndarray:
    """Which points lie within another piece or an opening, bool `(P,)`.

    Args:
        points: float `(P, 3)`.
        owner: int `(P,)` index in `solid` of the piece that a point lies on.
        pieces: All pieces.
        solid: Those that have points.
    """
    places = {id(piece): place for place, piece in enumerate(solid)}
    found = np.zeros(len(points), bool)
    for piece in pieces:
        half = np.array(piece.size) / 2 - SEEN_M
        if (half <= 0).any():
            continue
        away = points - np.array(piece.centre)
        near = np.flatnonzero((away**2).sum(axis=1) <= (half**2).sum())
        local = turned(away[near], np.full(len(near), -piece.yaw))
        inside = (np.abs(local) < half).all(axis=1)
        inside &= owner[near] != places.get(id(piece), -1)
        found[near[inside]] = True
    return found


def _in_holes(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Which points are in a hole of the scan, bool `(P,)`."""
    lost = np.zeros(len(points), bool)
    for _ in range(int(rng.integers(*HOLES))):
        middle = points[int(rng.integers(len(points)))]
        radius = rng.uniform(*RADII_M)
        lost |= np.linalg.norm(points - middle, axis=1) < radius
    return lost & (rng.random(len(points)) < TAKEN)


def _colors(rng: np.random.Generator, base: np.ndarray, gains: np.ndarray) -> np.ndarray:
    light = rng.uniform(*LIGHTS) * rng.uniform(0.96, 1.04, 3)
    colors = base * light * gains[:, None] + rng.normal(0, GRAIN, base.shape)
    return colors.round().clip(0, 255).astype(np.uint8)
