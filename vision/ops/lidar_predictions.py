"""Objects that were found in sweeps of a lidar, as a camera sees them.

Letters: M objects.
"""

import torch
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, LIDAR
from vision.contracts.lidar import LidarPrediction
from vision.ops.box_projection import project_boxes
from vision.ops.boxes import clip_boxes
from vision.ops.boxes3d import move_boxes, observation_angle

# From the axes of a lidar (x forward, y left, z up) to those of a camera that looks ahead from the
# same place (x right, y down, z forward).
LOOKING_AHEAD = (
    (0.0, -1.0, 0.0, 0.0),
    (0.0, 0.0, -1.0, 0.0),
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
)


def looking_ahead() -> Tensor:
    """The transform `(4, 4)` to a camera in the place of the lidar that looks along x."""
    return torch.tensor(LOOKING_AHEAD)


def view_objects(
    boxes3d: Tensor,
    labels: Tensor,
    scores: Tensor,
    *,
    lidar_to_camera: Tensor,
    camera: Tensor,
    camera_size: Tensor,
) -> LidarPrediction:
    """Bring the objects of a sweep to the frame and the image of its camera.

    Args:
        boxes3d: `(M, 7)` in the frame `LIDAR`.
        labels: int64 `(M,)` class index.
        scores: `(M,)`.
        lidar_to_camera: `(4, 4)`.
        camera: `(3, 4)`, projects to pixels from the frame of the camera; of zeros if it is not
            known, which sees nothing.
        camera_size: `(2,)` height and width of its image.

    Returns:
        The objects. The 2-D box of one that is not in front of the camera is empty, and that of one
        beside the image has no area.
    """
    precise = boxes3d.double()
    moved = move_boxes(precise, lidar_to_camera, LIDAR, CAMERA)
    boxes = torch.zeros_like(precise[:, :4])
    if bool(camera.any()):
        seen, visible = project_boxes(moved, camera)
        boxes = torch.where(visible[:, None], clip_boxes(seen[None], camera_size[None])[0], boxes)
    return {
        "boxes3d": moved.to(boxes3d),
        "boxes": boxes.to(boxes3d),
        "alpha": observation_angle(moved).to(boxes3d),
        "labels": labels,
        "scores": scores,
        "boxes3d_lidar": boxes3d,
    }
