"""Composed heads: the tissues of each cell, from the skin to the ventricles.

Letters: T tissues, D, H, W cells along the axes of an array.
"""

from typing import NamedTuple

import numpy as np

from vision.data.synthetic.head_space import Grid, rotation, smooth_field, soft_step

TISSUES = ("air", "fat", "bone", "fluid", "grey", "white")
# Ranges of the half axes of a head: right, anterior, superior.
HEAD_MM = ((68.0, 76.0), (84.0, 93.0), (70.0, 77.0))
# Thickness of the skin with its fat, of the skull, and of the fluid and the cortex below it.
FAT_MM, BONE_MM, RIM_MM, CORTEX_MM = (3.5, 5.5), (5.0, 7.0), (2.5, 4.0), (6.0, 9.0)
# The bottom of the brain lies that far below the centre.
BASE_MM = 45.0
MAX_NOD = np.deg2rad(6.0)
# Of ventricles: distance from the middle, half axes.
VENTRICLE_MM = (13.0, (7.0, 24.0, 9.0))


class Anatomy(NamedTuple):
    """A head without lesions.

    Attributes:
        parts: float32 `(T, D, H, W)`, the part of each tissue in each cell; they add up to 1.
        brain_mm: float32 `(D, H, W)`, about how deep a cell lies in the brain; negative outside.
        places_mm: float32 `(3, D, H, W)` in the frame of the head: right, anterior, superior of its
            centre.
    """

    parts: np.ndarray
    brain_mm: np.ndarray
    places_mm: np.ndarray


def compose_head(rng: np.random.Generator, grid: Grid) -> Anatomy:
    """Compose a head in a grid.

    Args:
        rng: Source of every choice.
        grid: Its cells.
    """
    turn = rotation(rng.uniform(-MAX_NOD, MAX_NOD, size=3)).astype(np.float32)
    places = np.tensordot(turn, grid.places_mm(), axes=1)
    half = np.array([rng.uniform(*one) for one in HEAD_MM], np.float32)
    # Below the skin in millimetres: of an ellipsoid, with bumps.
    depth = _below(places, half) + 2.0 * smooth_field(rng, grid.shape, waves=4)
    width = 0.5 * grid.cell_mm
    fat, bone, rim, cortex = (rng.uniform(*one) for one in (FAT_MM, BONE_MM, RIM_MM, CORTEX_MM))
    inside = np.minimum(depth - fat - bone, places[2] + BASE_MM)
    brain = inside - rim - np.abs(1.5 * smooth_field(rng, grid.shape, waves=9))
    folds = 4.0 * smooth_field(rng, grid.shape, waves=14)
    white = np.minimum(brain - cortex + folds, np.abs(places[0]) - 1.5)
    layers = [depth, depth - fat, inside, brain, white]
    parts = np.zeros((len(TISSUES), *grid.shape), np.float32)
    parts[0] = 1
    for tissue, deep in zip(("fat", "bone", "fluid", "grey", "white"), layers, strict=True):
        paint(parts, tissue, soft_step(deep, width))
    # The neck below the brain is soft.
    neck = np.minimum(depth - fat, -BASE_MM - 6 - places[2])
    paint(parts, "grey", 0.6 * soft_step(neck, 2 * width))
    for side in (-1, 1):
        paint(parts, "fluid", soft_step(_ventricle(rng, places, side), width))
    return Anatomy(parts, brain, places)


def paint(parts: np.ndarray, tissue: str, share: np.ndarray) -> None:
    """Replace a share, in [0, 1], of what is in each cell by a tissue, in place."""
    parts *= 1 - share
    parts[TISSUES.index(tissue)] += share


def _ventricle(rng: np.random.Generator, places: np.ndarray, side: int) -> np.ndarray:
    """Depth in millimetres below the wall of a ventricle; negative outside."""
    apart, half = VENTRICLE_MM
    size = np.array(half, np.float32) * rng.uniform(0.75, 1.25, size=3).astype(np.float32)
    centre = np.array([side * apart, rng.uniform(-8, 4), rng.uniform(2, 10)], np.float32)
    moved = places - centre[:, None, None, None]
    # They part towards the back.
    moved[0] += side * np.float32(0.25) * moved[1]
    return _below(moved, size)


def _below(places: np.ndarray, half: np.ndarray) -> np.ndarray:
    """About the depth in millimetres below the surface of an ellipsoid; negative outside."""
    radius = np.sqrt(np.square(places / half[:, None, None, None]).sum(axis=0))
    return (1 - radius) * np.float32(half.min())
