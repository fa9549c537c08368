"""Which objects and detections count, by class and difficulty."""

import numpy as np

from vision.annotations.kitti import CLASSES, KittiObjects
from vision.annotations.kitti_levels import Level, harder_than

# What an object or a detection is in the evaluation of one class at one difficulty.
COUNTS, NEUTRAL, ABSENT = 0, 1, -1
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
    harder = harder_than(level, objects.boxes, objects.occlusion, objects.truncation)
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
    low = np.abs(found.boxes[:, 3] - found.boxes[:, 1]) < level.min_height
    return np.where(low, NEUTRAL, own).astype(np.int8)
