"""The objects and the detections of all images, one after the other, with their overlaps.

Letters: F images, D detections, G objects.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.annotations.kitti import KittiObjects, parse_objects
from vision.metrics.kitti.overlaps import Overlaps, compute_overlaps


class Joined(NamedTuple):
    """All images.

    Attributes:
        objects: G objects, by image.
        found: D detections, by image.
        object_image: int64 `(G,)`, ascending: the image of each object.
        found_image: int64 `(D,)`, likewise of each detection.
        overlaps: Of the pairs of each image.
        images: Number F of images.
    """

    objects: KittiObjects
    found: KittiObjects
    object_image: np.ndarray
    found_image: np.ndarray
    overlaps: Overlaps
    images: int


def join_images(truth: Sequence[KittiObjects], found: Sequence[KittiObjects]) -> Joined:
    """Join images and compute their overlaps.

    Args:
        truth: The objects of each of F images, regions that are not annotated among them.
        found: The detections of each image, with their scores.
    """
    assert len(truth) == len(found), "each image has its objects and its detections"
    objects, detections = _joined(truth), _joined(found)
    counts = [
        np.array([len(one.classes) for one in side], dtype=np.int64) for side in (truth, found)
    ]
    overlaps = compute_overlaps(objects, counts[0], detections, counts[1])
    places = np.arange(len(truth))
    images = [np.repeat(places, count) for count in counts]
    return Joined(objects, detections, images[0], images[1], overlaps, len(truth))


def _joined(images: Sequence[KittiObjects]) -> KittiObjects:
    none = parse_objects("", "no image", scored=True)
    return KittiObjects(*(np.concatenate(column) for column in zip(none, *images, strict=True)))
