"""The scan of a street by a lidar with 64 beams, as KITTI's, in the quarter turn ahead.

The beams are those of a Velodyne HDL-64E: 32 from 2 degrees above the horizon on and 32 at larger
steps below them.
"""

import numpy as np

from vision.data.synthetic.street_materials import REFLECTANCE
from vision.data.synthetic.street_world import SKY, Street

BEAMS_DEG = np.concatenate([np.linspace(2.0, -8.33, 32), np.linspace(-8.84, -24.8, 32)])
STEP_DEG = 0.2  # between rays of a beam
FIELD_DEG = 90.0
MAX_M = 80.0
NOISE_M = 0.015  # standard deviation of the distance
LOST = 0.03  # share of rays that do not come back
SPREAD = 0.04  # standard deviation of the reflectance
DECIMALS = 3


def scan(street: Street, rng: np.random.Generator) -> np.ndarray:
    """Scan a street.

    Args:
        street: What is scanned.
        rng: Source of noise and of lost rays.

    Returns:
        float32 `(P, 4)`: x forward, y left, z up in metres in the lidar's frame, and the
        reflectance in [0, 1]; beam by beam from above, each from left to right.
    """
    rays = directions()
    to_camera = street.rig.lidar_to_rectified
    eye, turned = to_camera[:, 3], rays @ to_camera[:, :3].T
    distance, owner = street.meet(eye, turned)
    owner = owner.astype(np.int64)
    faces = np.zeros(distance.shape, np.uint8)
    boxes = SKY - 1 - np.arange(len(street.things))  # below all that is no box
    for number, thing in zip(boxes, street.things, strict=True):
        found, face = thing.meet(eye, turned)
        nearer = found < distance
        distance[nearer], owner[nearer], faces[nearer] = found[nearer], number, face[nearer]
    back = (distance <= MAX_M) & (rng.random(distance.shape) >= LOST)
    rays, turned, distance = rays[back], turned[back], distance[back]
    owner, faces = owner[back], faces[back]
    points = eye + turned * distance[:, None]
    materials = np.zeros(distance.shape, np.uint8)
    for kind in np.unique(owner[owner > SKY]).tolist():
        chosen = owner == kind
        materials[chosen] = street.materials(street.places(points[chosen]), kind)
    for number, thing in zip(boxes, street.things, strict=True):
        chosen = owner == number
        materials[chosen] = thing.materials(points[chosen], faces[chosen])
    noise = rng.standard_normal((2, len(distance)))
    measured = rays * (distance + NOISE_M * noise[0])[:, None]
    light = (REFLECTANCE[materials] + SPREAD * noise[1]).clip(0, 0.99).round(2)
    return np.column_stack([measured.round(DECIMALS), light]).astype(np.float32)


def directions() -> np.ndarray:
    """Unit vectors of the rays in the lidar's frame, `(beams * columns, 3)`, beam by beam."""
    rise = np.radians(BEAMS_DEG)[:, None]
    turn = np.radians(np.arange(FIELD_DEG / 2, -FIELD_DEG / 2, -STEP_DEG) - STEP_DEG / 2)[None]
    forward, left = np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn)
    return np.stack([forward, left, np.broadcast_to(np.sin(rise), left.shape)], -1).reshape(-1, 3)
