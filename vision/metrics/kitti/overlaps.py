"""Overlaps of detections and objects of the same image: in it, on the ground and in space.

Letters: F images, D detections, G objects, P pairs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vision.annotations.kitti import DONT_CARE, KittiObjects
from vision.contracts.boxes3d import CAMERA
from vision.ops.rectangles import intersection_over_union, shared_area

# Pairs whose overlaps are computed at once.
MAX_PAIRS = 2**18
METRICS = ("2d", "bev", "3d")


class Overlaps(NamedTuple):
    """Overlaps of all images.

    Attributes:
        objects: int64 `(P,)`, ascending: an object's place among those of all images.
        found: int64 `(P,)`, ascending for each object: a detection's place.
        iou: float64 `(3, P)`, intersection over union by `METRICS`.
        dont_care: float64 `(D,)`, largest share of a detection's box in a region that is not
            annotated.
    """

    objects: np.ndarray
    found: np.ndarray
    iou: np.ndarray
    dont_care: np.ndarray


def compute_overlaps(
    objects: KittiObjects, object_counts: np.ndarray, found: KittiObjects, found_counts: np.ndarray
) -> Overlaps:
    """Overlaps of all pairs of the same image; those without any are left out.

    Args:
        objects: The G objects of all images.
        object_counts: int64 `(F,)`, how many each image has.
        found: The D detections of all images.
        found_counts: int64 `(F,)`, how many each image has.
    """
    dont_care = np.zeros(len(found.classes))
    areas = _areas(found.boxes)
    whole = np.where(areas > 0, areas, 1)  # an empty box shares nothing
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for a, b in _pairs(object_counts, found_counts):
        shared = _shared_in_image(objects.boxes[a], found.boxes[b])
        region = objects.classes[a] == DONT_CARE
        np.maximum.at(dont_care, b[region], shared[region] / whole[b[region]])
        iou = np.zeros((len(METRICS), len(a)))
        iou[0] = intersection_over_union(shared, _areas(objects.boxes[a]), areas[b])
        near = _are_near(objects, a, found, b)
        iou[1:, near] = _turned(objects, a[near], found, b[near])
        kept = (iou > 0).any(axis=0) & ~region
        parts.append((a[kept], b[kept], iou[:, kept]))
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Overlaps(nothing, nothing, np.zeros((len(METRICS), 0)), dont_care)
    a, b, iou = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return Overlaps(a, b, iou, dont_care)


def _pairs(
    object_counts: np.ndarray, found_counts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of the same image, some at a time: places of the object and of the detection."""
    frame = np.repeat(np.arange(len(object_counts)), object_counts)
    begins = np.cumsum(found_counts) - found_counts
    partners = found_counts[frame]
    parts = np.cumsum(partners) // MAX_PAIRS
    for part in np.unique(parts):
        own = np.flatnonzero(parts == part)
        number = partners[own]
        a = np.repeat(own, number)
        place = np.arange(len(a)) - np.repeat(np.cumsum(number) - number, number)
        yield a, begins[frame[a]] + place


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _shared_in_image(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    return (high - low).clip(0).prod(axis=1)


def _are_near(
    objects: KittiObjects, a: np.ndarray, found: KittiObjects, b: np.ndarray
) -> np.ndarray:
    """Whether the circles around the rectangles on the ground meet."""
    between = objects.locations[a][:, [0, 2]] - found.locations[b][:, [0, 2]]
    reach = [np.linalg.norm(part.sizes[:, 1:], axis=1) / 2 for part in (objects, found)]
    return np.linalg.norm(between, axis=1) <= (reach[0][a] + reach[1][b]) * (1 + 1e-9)


def _turned(objects: KittiObjects, a: np.ndarray, found: KittiObjects, b: np.ndarray) -> np.ndarray:
    """Intersection over union on the ground and in space, float64 `(2, pairs)`."""
    grounds = _rectangles(objects)[a], _rectangles(found)[b]
    area = shared_area(*grounds)
    ground = intersection_over_union(area, *(one[:, 2] * one[:, 3] for one in grounds))
    # y points down, and is that of the bottom.
    bottom = objects.locations[a, 1], found.locations[b, 1]
    height = objects.sizes[a, 0], found.sizes[b, 0]
    top = np.maximum(bottom[0] - height[0], bottom[1] - height[1])
    shared = area * (np.minimum(*bottom) - top).clip(0)
    volumes = (part.sizes[i].prod(axis=1) for part, i in ((objects, a), (found, b)))
    return np.stack([ground, intersection_over_union(shared, *volumes)])


def _rectangles(objects: KittiObjects) -> np.ndarray:
    """What objects cover on the ground, along both directions of the frame, float64 `(N, 6)`."""
    x, y = (objects.locations @ np.array(axis) for axis in (CAMERA.ahead, CAMERA.turned))
    _, width, length = objects.sizes.T
    yaw = objects.rotation
    return np.stack([x, y, length, width, np.cos(yaw), np.sin(yaw)], axis=-1)
