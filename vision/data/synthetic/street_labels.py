"""KITTI's labels of a street, computed from what the image shows of it."""

import math

import numpy as np

from vision.annotations.kitti import (
    CLASSES,
    DONT_CARE,
    NO_ORIENTATION,
    KittiObjects,
    objects_from_rows,
)
from vision.data.synthetic.street_layout import area, rectangle
from vision.data.synthetic.street_render import SeenThing, View
from vision.data.synthetic.street_world import Street
from vision.ops.angles import wrapped

# Smallest visible share of the pixels of a thing for occlusion 0, 1 and 2. Below the last it has no
# label.
VISIBLE = (0.85, 0.5, 0.05)
# Fewer visible pixels are no object either.
MIN_PIXELS = 6
# Height in pixels below which an object is a region that is not annotated.
MIN_HEIGHT = 12.0
# What KITTI writes for the numbers of such a region.
UNKNOWN, UNKNOWN_PLACE = -1.0, -1000.0
DONT_CARE_YAW = -10.0


def label(street: Street, seen: View) -> KittiObjects:
    """The labels of an image.

    A box in the image is that of all of the projected object, clipped to the image. Truncation is
    the share of the projected rectangle outside it. Occlusion is 0 if at least 85 % of the pixels
    that the object has in the image are visible, 1 from 50 % on and 2 below. An object of which
    less than 5 % or fewer than 6 pixels are visible is left out. One that is less than 12 pixels
    high is a `DontCare`.

    Args:
        street: What is seen.
        seen: Its view.

    Returns:
        The objects from near to far, then the regions; scores are NaN.
    """
    shown = [
        one
        for one in sorted(seen.things, key=lambda one: float(one.thing.bottom[2]))
        if one.visible >= VISIBLE[-1] and one.mask.sum() >= MIN_PIXELS
    ]
    objects: list[list[float]] = []
    regions: list[list[float]] = []
    for one in shown:
        box = rectangle(street, one.thing)[1]
        small = box[3] - box[1] < MIN_HEIGHT
        (regions if small else objects).append(_region(box) if small else _object(street, one))
    rows = np.array([*objects, *regions], np.float64).reshape(-1, 15)
    return objects_from_rows(rows[:, 0], rows[:, 1:])


def _object(street: Street, one: SeenThing) -> list[float]:
    thing = one.thing
    whole, box = rectangle(street, thing)
    length, height, width = thing.size
    x, y, z = thing.bottom
    alpha = wrapped(thing.yaw - math.atan2(x, z))
    occlusion = sum(one.visible < share for share in VISIBLE[:-1])
    begin = [CLASSES.index(thing.kind), 1 - area(box) / area(whole), occlusion, alpha]
    return [*begin, *box, height, width, length, x, y, z, thing.yaw]


def _region(box: np.ndarray) -> list[float]:
    begin = [DONT_CARE, UNKNOWN, UNKNOWN, NO_ORIENTATION]
    return [*begin, *box, *[UNKNOWN] * 3, *[UNKNOWN_PLACE] * 3, DONT_CARE_YAW]
