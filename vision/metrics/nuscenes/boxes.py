"""Boxes of an evaluation by nuScenes' rules, and which of them count.

Letters: N boxes, F key frames, K bicycle racks.
"""

from typing import NamedTuple

import numpy as np

from vision.annotations.nuscenes import NuScenesTables, Objects
from vision.annotations.nuscenes_names import (
    ATTRIBUTES,
    BICYCLE_RACK,
    CLASSES,
    DETECTION_CLASSES,
    LIDAR,
)
from vision.annotations.nuscenes_results import Detections
from vision.errors import DataError
from vision.ops.quaternions import quaternion_yaw, rotation_matrices

RANGES_M = np.array([each.range_m for each in DETECTION_CLASSES.values()], dtype=np.float64)
# Classes whose boxes do not count in a rack.
_IN_RACKS = [CLASSES.index(name) for name in ("bicycle", "motorcycle")]


class EvaluatedBoxes(NamedTuple):
    """Boxes of the detection classes in the map's frame, those of several key frames.

    Attributes:
        samples: int64 `(N,)`, index of the key frame.
        labels: int64 `(N,)`, index in `CLASSES`.
        attributes: int64 `(N,)`, index in `ATTRIBUTES`; -1 for none.
        scores: float64 `(N,)`; NaN in annotations.
        centres: float64 `(N, 3)` in metres.
        sizes: float64 `(N, 3)` in metres.
        yaws: float64 `(N,)` in radians.
        velocities: float64 `(N, 2)` in metres per second; NaN if unknown.
    """

    samples: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    scores: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    yaws: np.ndarray
    velocities: np.ndarray

    def select(self, chosen: np.ndarray) -> "EvaluatedBoxes":
        """Some of the boxes, by index or by a mask."""
        return EvaluatedBoxes(*(column[chosen] for column in self))


def annotated_boxes(tables: NuScenesTables) -> EvaluatedBoxes:
    """The annotated boxes that count: of a class, within its range, with points, in no rack.

    Args:
        tables: With the readings of the lidar, whose time is that of the vehicle's position.

    Raises:
        DataError: There are no annotations, or an attribute is unknown.
    """
    objects = tables.objects
    if not len(objects.samples):
        raise DataError(
            f"'{tables.folder / 'sample_annotation.json'}' has no box of these scenes, as in the "
            "test set: they cannot be evaluated. Name the tables of v1.0-trainval or v1.0-mini."
        )
    places = {name: number for number, name in enumerate(ATTRIBUTES)}
    attribute = np.array([*(places.get(name, -2) for name in tables.attributes), -1])
    boxes = EvaluatedBoxes(
        samples=objects.samples,
        labels=objects.labels,
        attributes=attribute[objects.attributes],
        scores=np.full(len(objects.samples), np.nan),
        centres=objects.centres,
        sizes=objects.sizes,
        yaws=quaternion_yaw(objects.rotations),
        velocities=objects.velocities[:, :2],
    )
    kept = (objects.labels >= 0) & (objects.lidar_points + objects.radar_points != 0)
    boxes = boxes.select(kept)
    if len(unknown := np.flatnonzero(boxes.attributes == -2)):
        name = tables.attributes[objects.attributes[np.flatnonzero(kept)[unknown[0]]]]
        raise DataError(
            f"'{tables.folder / 'attribute.json'}' has the attribute '{name}', which the detection "
            f"task does not; it has {', '.join(ATTRIBUTES)}."
        )
    return boxes.select(_count(boxes, tables))


def found_boxes(tables: NuScenesTables, found: Detections) -> EvaluatedBoxes:
    """The detections that count: within the range of their class, in no rack.

    Args:
        tables: As in `annotated_boxes`.
        found: The detections.
    """
    boxes = EvaluatedBoxes(
        samples=found.samples,
        labels=found.labels,
        attributes=found.attributes,
        scores=found.scores,
        centres=found.centres,
        sizes=found.sizes,
        yaws=quaternion_yaw(found.rotations),
        velocities=found.velocities,
    )
    return boxes.select(_count(boxes, tables))


def _count(boxes: EvaluatedBoxes, tables: NuScenesTables) -> np.ndarray:
    vehicle = _vehicles(tables)[boxes.samples]
    near = np.linalg.norm(boxes.centres[:, :2] - vehicle, axis=1) < RANGES_M[boxes.labels]
    return near & ~_in_racks(boxes, tables)


def _vehicles(tables: NuScenesTables) -> np.ndarray:
    """Position of the vehicle in each key frame, float64 `(F, 2)`."""
    reading = tables.reading_of[:, tables.channels.index(LIDAR)]
    if len(absent := np.flatnonzero(reading < 0)):
        raise DataError(
            f"key frame '{tables.samples[absent[0]].decode()}' has no reading of {LIDAR} in "
            f"'{tables.folder / 'sample_data.json'}', which gives the vehicle's position."
        )
    return tables.readings.to_global[reading, :2, 3]


def _in_racks(boxes: EvaluatedBoxes, tables: NuScenesTables) -> np.ndarray:
    """Whether boxes are bicycles or motorcycles whose centre is in a rack, bool `(N,)`."""
    inside = np.zeros(len(boxes.labels), dtype=bool)
    rack = np.array([name == BICYCLE_RACK for name in tables.categories], dtype=bool)
    racks = np.flatnonzero(rack[tables.objects.categories])
    own = np.flatnonzero(np.isin(boxes.labels, _IN_RACKS))
    own = own[np.argsort(boxes.samples[own], kind="stable")]
    begins, ends = (
        np.searchsorted(boxes.samples[own], tables.objects.samples[racks], side=side)
        for side in ("left", "right")
    )
    for place, begin, end in zip(racks.tolist(), begins.tolist(), ends.tolist(), strict=True):
        rows = own[begin:end]
        inside[rows] |= _contains(tables.objects, place, boxes.centres[rows])
    return inside


def _contains(objects: Objects, place: int, points: np.ndarray) -> np.ndarray:
    """Whether points `(P, 3)` are in an object, its faces included."""
    along = (points - objects.centres[place]) @ rotation_matrices(objects.rotations[place])
    width, length, height = objects.sizes[place]
    return (np.abs(along) <= np.array([length, width, height]) / 2).all(axis=1)
