"""Names of nuScenes: sensors, classes of its detection task, their categories and attributes.

"nuScenes: A Multimodal Dataset for Autonomous Driving", Caesar et al., 2020, arXiv 1903.11027; the
classes and their numbers are those of the detection task of CVPR 2019 in its development kit.
"""

from typing import NamedTuple

CAMERAS = (
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_BACK_RIGHT",
    "CAM_BACK",
    "CAM_BACK_LEFT",
    "CAM_FRONT_LEFT",
)
LIDAR = "LIDAR_TOP"

_VEHICLE = ("vehicle.moving", "vehicle.parked", "vehicle.stopped")
_CYCLE = ("cycle.with_rider", "cycle.without_rider")
_PERSON = ("pedestrian.moving", "pedestrian.sitting_lying_down", "pedestrian.standing")
ATTRIBUTES = (*_PERSON, *_CYCLE, *_VEHICLE)


class DetectionClass(NamedTuple):
    """A class of the detection task.

    Attributes:
        categories: Names of the categories that belong to it.
        range_m: Objects farther than this from the vehicle, on the ground, are not evaluated.
        attributes: What its objects can have.
    """

    categories: tuple[str, ...]
    range_m: float
    attributes: tuple[str, ...]


DETECTION_CLASSES = {
    "car": DetectionClass(("vehicle.car",), 50, _VEHICLE),
    "truck": DetectionClass(("vehicle.truck",), 50, _VEHICLE),
    "bus": DetectionClass(("vehicle.bus.bendy", "vehicle.bus.rigid"), 50, _VEHICLE),
    "trailer": DetectionClass(("vehicle.trailer",), 50, _VEHICLE),
    "construction_vehicle": DetectionClass(("vehicle.construction",), 50, _VEHICLE),
    "pedestrian": DetectionClass(
        (
            "human.pedestrian.adult",
            "human.pedestrian.child",
            "human.pedestrian.construction_worker",
            "human.pedestrian.police_officer",
        ),
        40,
        _PERSON,
    ),
    "motorcycle": DetectionClass(("vehicle.motorcycle",), 40, _CYCLE),
    "bicycle": DetectionClass(("vehicle.bicycle",), 40, _CYCLE),
    "traffic_cone": DetectionClass(("movable_object.trafficcone",), 30, ()),
    "barrier": DetectionClass(("movable_object.barrier",), 30, ()),
}
CLASSES = tuple(DETECTION_CLASSES)
# Of no class of the task; bicycles and motorcycles that stand in one are not evaluated.
BICYCLE_RACK = "static_object.bicycle_rack"
_CLASS_OF = {
    category: label
    for label, each in enumerate(DETECTION_CLASSES.values())
    for category in each.categories
}


def class_of(category: str) -> int:
    """Index in `CLASSES` of a category; -1 for those that are not detected."""
    return _CLASS_OF.get(category, -1)
