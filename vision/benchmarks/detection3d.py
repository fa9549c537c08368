"""MonoDETR: time and memory of the head and of a training step; and overlaps of boxes in space.

`vision.benchmarks.heads` says what is measured of head and step. Overlaps of boxes seen from above
are compared with those of shapely's polygons, pair by pair, in float64 on both sides.
"""

import importlib.util
import math
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.benchmarks.heads import Settings, measure_heads
from vision.benchmarks.measurement import Measurement, begin, check_equal
from vision.benchmarks.results import Table
from vision.contracts.detection3d import MonocularTarget
from vision.ops.rotated_iou import paired_rotated_iou
from vision.tasks.detection3d import Detection3D
from vision.tasks.detectors3d import DETECTORS3D

# What the head takes beside the maps, in its order.
BESIDE = ("camera", "size", "camera_size")
CLASSES, OBJECTS = 3, 8
# KITTI's focal length, by the width of its images.
FOCAL = 0.58
PAIRS = 10_000
TOLERANCE = 1e-9


def build(
    detector: str, backbone: str, batch: int, size: tuple[int, int]
) -> tuple[Any, dict[str, Any]]:
    """A model of three classes, and random normalised images with eight objects each."""
    return Detection3D(backbone, CLASSES, detector=detector), make_batch(batch, size)


def make_batch(batch: int, size: tuple[int, int]) -> dict[str, Any]:
    """Random normalised images with eight objects each, the same every time."""
    generator = torch.Generator().manual_seed(0)
    height, width = size
    focal = FOCAL * width
    camera = torch.tensor([[focal, 0, width / 2, 0], [0, focal, height / 2, 0], [0, 0, 1, 0]])
    sides = torch.tensor(size).expand(batch, -1)
    return {
        "image": torch.randn(batch, 3, height, width, generator=generator),
        "camera": camera.expand(batch, -1, -1),
        "size": sides,
        "camera_size": sides,
        "target": [random_target(generator) for _ in range(batch)],
    }


def random_target(generator: torch.Generator) -> MonocularTarget:
    """Objects at random places of an image, each 0.1 of its sides wide and high."""
    places = 0.1 + 0.8 * torch.rand(OBJECTS, 2, generator=generator)
    return {
        "labels": torch.randint(0, CLASSES, (OBJECTS,), generator=generator),
        "boxes": torch.cat([places, torch.full((OBJECTS, 4), 0.05)], dim=1),
        "boxes2d": torch.cat([places - 0.05, places + 0.05], dim=1),
        "sizes": 1 + torch.rand(OBJECTS, 3, generator=generator),
        "depth_m": 5 + 50 * torch.rand(OBJECTS, generator=generator),
        "alpha": 2 * math.pi * torch.rand(OBJECTS, generator=generator),
    }


def measure_detection3d(settings: Settings) -> Table:
    """Measure each backbone and size, and then the overlaps."""
    measured = begin("Boxes in space from single images", settings)
    of_images = [name for name, row in DETECTORS3D.items() if row.scene.reads == "image"]
    measure_heads(measured, {name: partial(build, name) for name in of_images}, settings)
    measure_overlaps(measured, rounds=settings.rounds, warmup=settings.warmup)
    return measured.table()


def measure_overlaps(measured: Measurement, *, rounds: int, warmup: int) -> None:
    """Add the time of overlaps of pairs beside that of shapely, if it is installed.

    Args:
        measured: Where the rows go.
        rounds: Measured runs of each side.
        warmup: Runs before them.

    Raises:
        UnequalSidesError: The overlaps differ by more than rounding in float64.
    """
    if importlib.util.find_spec("shapely") is None:
        measured.note("overlaps are not compared: shapely, of the extra test, is not installed")
        return
    first, second = (random_rectangles(PAIRS, seed) for seed in (0, 1))
    ours = partial(paired_rotated_iou, first, second)
    theirs = partial(polygon_iou, polygon_corners(first), polygon_corners(second))
    what = f"overlaps of {PAIRS:,} pairs from above"
    difference = check_equal(ours(), theirs(), tolerance=TOLERANCE, what=what)
    measured.compare(
        what,
        ours,
        theirs,
        rounds=rounds,
        warmup=warmup,
        peer="shapely",
        of="step",
        difference=difference,
    )


def random_rectangles(count: int, seed: int) -> Tensor:
    """Rectangles float64 `(count, 5)` (x, y, length, width, yaw) of cars, two thirds overlap."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(count, 5, generator=generator, dtype=torch.float64)
    low, span = torch.tensor(
        [[0, 0, 3.5, 1.5, 0], [4, 4, 1, 0.4, 2 * math.pi]], dtype=torch.float64
    )
    return low + span * shares


def polygon_corners(rectangles: Tensor) -> np.ndarray:
    """Corners `(N, 4, 2)` of rectangles `(N, 5)`, counter-clockwise."""
    x, y, length, width, yaw = rectangles.numpy().T
    along = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1) * length[:, None] / 2
    across = np.stack([-np.sin(yaw), np.cos(yaw)], axis=-1) * width[:, None] / 2
    turns = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    corners = np.stack([i * along + j * across for i, j in turns], axis=1)
    placed: np.ndarray = corners + np.stack([x, y], axis=-1)[:, None]
    return placed


def polygon_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of polygons `(N, 4, 2)` at the same place, by shapely."""
    import shapely

    first, second = shapely.polygons(a), shapely.polygons(b)
    shared = shapely.area(shapely.intersection(first, second))
    overlaps: np.ndarray = shared / (shapely.area(first) + shapely.area(second) - shared)
    return overlaps
