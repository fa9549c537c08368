"""Objects and their detections in the image, and how these differ in space.

KITTI's rules ask for an overlap in space, so that the error of a match is bounded. Here a detection
and an object are a pair if their boxes in the image overlap, however far apart they are in space.

Letters: F images, D detections, G objects, P pairs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.annotations.kitti import CLASSES
from vision.annotations.kitti_levels import LEVELS
from vision.metrics.kitti.joined import Joined
from vision.metrics.kitti.levels import ABSENT, COUNTS, detection_status, object_status
from vision.metrics.kitti.overlaps import METRICS
from vision.ops.angles import wrapped

# Minimum overlap of the boxes in the image.
MIN_OVERLAP = 0.5
_IMAGE, _SPACE = METRICS.index("2d"), METRICS.index("3d")


class Pairs(NamedTuple):
    """The objects of one class that count, and what was found of them.

    Attributes:
        counting: int64 `(G,)`, places of the objects that count, of difficulty hard or easier.
        found: int64 `(G,)`, place of the detection of each; -1 for none.
        overlap: float64 `(G,)`, intersection over union in space; 0 without a detection.
        false: int64 `(D,)`, places of the detections that belong to nothing.
    """

    counting: np.ndarray
    found: np.ndarray
    overlap: np.ndarray
    false: np.ndarray


class Errors(NamedTuple):
    """How P detections differ from their objects.

    Attributes:
        distance: float64 `(P,)`, true depth in metres.
        offset: float64 `(P, 3)`, detected centre less true centre, x right, y down, z ahead.
        size: float64 `(P, 3)`, detected height, width and length over the true ones, less 1.
        yaw: float64 `(P,)`, angle between their forward axes in radians, in [0, pi].
        overlap: float64 `(P,)`, intersection over union in space.
    """

    distance: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    yaw: np.ndarray
    overlap: np.ndarray


def pair_objects(joined: Joined, name: str) -> Pairs:
    """Pair the objects of a class with detections of it.

    By falling score, each detection takes the free object whose box in the image overlaps most with
    its own, one that counts before one that need not be found. Detections that take the latter, are
    too low to count, or lie in a region without annotations, are not false.

    Args:
        joined: All images.
        name: The class, one of the benchmark.
    """
    level = LEVELS[-1]
    status = object_status(joined.objects, name, level)
    own = joined.found.classes == CLASSES.index(name)
    pairs, overlap = joined.overlaps, joined.overlaps.iou[_IMAGE]
    kept = np.flatnonzero(
        (overlap > MIN_OVERLAP) & (status[pairs.objects] != ABSENT) & own[pairs.found]
    )
    scores = joined.found.scores[pairs.found[kept]]
    order = np.lexsort((-overlap[kept], status[pairs.objects[kept]] != COUNTS, -scores))
    taken: dict[int, int] = {}
    partner = np.full(len(status), -1)
    shared = np.zeros(len(status))
    for place in kept[order].tolist():
        a, b = int(pairs.objects[place]), int(pairs.found[place])
        if partner[a] < 0 and b not in taken:
            taken[b] = a
            partner[a], shared[a] = b, pairs.iou[_SPACE, place]
    counting = np.flatnonzero(status == COUNTS)
    free = detection_status(joined.found, name, level) == COUNTS
    free[list(taken)] = False
    false = np.flatnonzero(free & (pairs.dont_care <= MIN_OVERLAP))
    return Pairs(counting, partner[counting], shared[counting], false)


def measure_errors(joined: Joined, pairs: Pairs) -> Errors:
    """How detections differ from their objects.

    Args:
        joined: All images.
        pairs: The pairs of one class.
    """
    paired = pairs.found >= 0
    a, b = pairs.counting[paired], pairs.found[paired]
    truth, found = joined.objects, joined.found
    offset = found.locations[b] - truth.locations[a]
    # Locations are those of the bottom.
    offset[:, 1] -= (found.sizes[b, 0] - truth.sizes[a, 0]) / 2
    return Errors(
        distance=truth.locations[a, 2],
        offset=offset,
        size=found.sizes[b] / truth.sizes[a] - 1,
        yaw=np.abs(wrapped(found.rotation[b] - truth.rotation[a])),
        overlap=pairs.overlap[paired],
    )


def score_images(joined: Joined, pairs: Sequence[Pairs]) -> tuple[np.ndarray, np.ndarray]:
    """How well boxes in space are found in each image.

    Args:
        joined: All images.
        pairs: The pairs of each class.

    Returns:
        float64 `(F,)` in [0, 1]: twice the sum of the overlaps in space of the pairs, over the
        number of objects and of their detections and the false ones; 1 where there is nothing and
        nothing is found. And int64 `(F,)`, the number of objects.
    """
    overlap, objects, detections = (np.zeros(joined.images) for _ in range(3))
    for one in pairs:
        image = joined.object_image[one.counting]
        overlap += np.bincount(image, one.overlap, joined.images)
        objects += np.bincount(image, minlength=joined.images)
        detections += np.bincount(image, one.found >= 0, joined.images)
        detections += np.bincount(joined.found_image[one.false], minlength=joined.images)
    total = objects + detections
    scores = np.divide(2 * overlap, total, out=np.ones(joined.images), where=total > 0)
    return scores, objects.astype(np.int64)
