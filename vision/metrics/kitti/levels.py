"""Which objects and detections count, by class and difficulty."""

from typing import NamedTuple

import numpy as np

from vision.annotations.kitti import CLASSES, KittiObjects

# What an object or a detection is in the evaluation of one class at one difficulty.
COUNTS, NEUTRAL, ABSENT = 0, 1, -1


class Level(NamedTuple):
    """A difficulty.

    Attributes:
        name: In tables.
        min_height: Of boxes in pixels.
        max_occlusion: Of objects, as KITTI's labels have it.
        max_truncation: Share of an object that is outside the image.
    """

    name: str
    min_height: float
    max_occlusion: float
    max_truncation: float


LEVELS = (
    Level("easy", 40, 0, 0.15),
    Level("moderate", 25, 1, 0.3),
    Level("hard", 25, 2, 0.5),
)
# Classes that are evaluated; objects of the similar class, if there is one, are neutral.
SIMILAR = {"Car": "Van", "Pedestrian": "Person_sitting", "Cyclist": None}


def object_status(objects: KittiObjects, name: str, level: Level) -> np.ndarray:
    """What each annotated object is.

    Args:
        objects: N objects.
        name: The class that is evaluated.
        level: The difficulty.

    Returns:
        int8 `(N,)`: `COUNTS`; `NEUTRAL` for what is harder and for the similar class, which may be
        found but need not; or `ABSENT` for other classes.
    """
    harder = (
        (_heights(objects) <= level.min_height)
        | (objects.occlusion > level.max_occlusion)
        | (objects.truncation > level.max_truncation)
    )
    status = np.full(len(objects.classes), ABSENT, dtype=np.int8)
    own = objects.classes == CLASSES.index(name)
    status[own] = np.where(harder[own], NEUTRAL, COUNTS)
    if similar := SIMILAR[name]:
        status[objects.classes == CLASSES.index(similar)] = NEUTRAL
    return status


def detection_status(found: KittiObjects, name: str, level: Level) -> np.ndarray:
    """What each detection is.

    Args:
        found: N detections.
        name: The class that is evaluated.
        level: The difficulty.

    Returns:
        int8 `(N,)`: `NEUTRAL` for low ones of any class, as the benchmark has it, else `COUNTS` for
        the class and `ABSENT` for others.
    """
    own = np.where(found.classes == CLASSES.index(name), COUNTS, ABSENT)
    low = np.abs(_heights(found)) < level.min_height
    return np.where(low, NEUTRAL, own).astype(np.int8)


def _heights(objects: KittiObjects) -> np.ndarray:
    return objects.boxes[:, 3] - objects.boxes[:, 1]
