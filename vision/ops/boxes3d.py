"""Oriented boxes in space: their axes and corners, other frames, and other ways to write them.

A box is `(x, y, z, length, height, width, yaw)` in a frame of `vision/contracts/boxes3d.py`, in
metres and radians. Its own axes are forward, left and up.
"""

import math

import torch
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, CENTRE, NUSCENES, SIZE, YAW, Axis, Frame

# Where the corners lie on the box's own axes: those of the bottom, then those above them; front
# left, front right, rear right, rear left.
CORNERS = tuple(
    (forward, left, up) for up in (-1, 1) for forward, left in ((1, 1), (1, -1), (-1, -1), (-1, 1))
)


def wrap_angle(angle: Tensor, period: float = 2 * math.pi) -> Tensor:
    """The equal angle in [-period / 2, period / 2).

    Args:
        angle: `(...)` in radians.
        period: After which directions are the same, such as pi for boxes without a front.
    """
    wrapped = angle - period * torch.floor(angle / period + 0.5)
    # What lies just below the lower end is rounded to the upper end, which is left out.
    return torch.where(wrapped < period / 2, wrapped, -wrapped)


def along(vectors: Tensor, axis: Axis) -> Tensor:
    """The part `(...)` of vectors `(..., 3)` that lies along an axis."""
    x, y, z = (vectors[..., i] * axis[i] for i in range(3))
    return x + y + z


def box_axes(boxes: Tensor, frame: Frame = CAMERA) -> Tensor:
    """Directions of the axes of boxes, which are rotation matrices.

    Args:
        boxes: `(..., 7)`.
        frame: The frame of the boxes.

    Returns:
        `(..., 3, 3)`: the columns are unit vectors forward, left and up.
    """
    cos, sin = boxes[..., YAW].cos(), boxes[..., YAW].sin()

    def turned(ahead: Axis, turned: Axis) -> Tensor:
        return torch.stack([cos * a + sin * t for a, t in zip(ahead, turned, strict=True)], dim=-1)

    forward = turned(frame.ahead, frame.turned)
    left = turned(_cross(frame.up, frame.ahead), _cross(frame.up, frame.turned))
    up = torch.stack([torch.full_like(cos, value) for value in frame.up], dim=-1)
    return torch.stack([forward, left, up], dim=-1)


def box_corners(boxes: Tensor, frame: Frame = CAMERA) -> Tensor:
    """Corners of boxes.

    Args:
        boxes: `(..., 7)`.
        frame: The frame of the boxes.

    Returns:
        `(..., 8, 3)` in metres, in the order of `CORNERS`: the bottom first.
    """
    length, height, width = boxes[..., SIZE].unbind(-1)
    half = torch.stack([length, width, height], dim=-1) / 2
    steps = box_axes(boxes, frame) * half[..., None, :]
    forward, left, up = steps.unbind(-1)
    centre = boxes[..., CENTRE]
    return torch.stack([centre + f * forward + s * left + u * up for f, s, u in CORNERS], dim=-2)


def move_boxes(boxes: Tensor, transform: Tensor, source: Frame, target: Frame) -> Tensor:
    """Express boxes in another frame.

    A box stands upright in either frame. If the frames lean against each other by an angle a, the
    forward axis is projected to the ground, and going and returning changes yaw by a^2 / 2 at most.

    Args:
        boxes: `(..., 7)` in the source frame.
        transform: `(..., 4, 4)`, rotation and translation from source to target, such as KITTI's
            `R0_rect @ Tr_velo_to_cam`, from lidar to camera.
        source: The frame of the boxes.
        target: The frame of the result.

    Returns:
        `(..., 7)` in the target frame, yaw in [-pi, pi).
    """
    transform = transform.to(boxes)
    rotation, shift = transform[..., :3, :3], transform[..., :3, 3]
    centre = (rotation @ boxes[..., CENTRE, None]).squeeze(-1) + shift
    forward = (rotation @ box_axes(boxes, source)[..., :1]).squeeze(-1)
    return torch.cat([centre, boxes[..., SIZE], _yaw(forward, target)[..., None]], dim=-1)


def observation_angle(boxes: Tensor) -> Tensor:
    """Angle at which the camera sees each box: KITTI's `alpha`.

    Args:
        boxes: `(..., 7)` in the frame `CAMERA`.

    Returns:
        `(...)` in [-pi, pi): yaw less the direction of the centre from the optical axis.
    """
    return wrap_angle(boxes[..., YAW] - torch.atan2(boxes[..., 0], boxes[..., 2]))


def from_kitti(labels: Tensor) -> Tensor:
    """Boxes of the last seven numbers of KITTI's labels.

    Args:
        labels: `(..., 7)`: height, width, length, then x, y, z of the middle of the bottom face in
            the camera's frame, then `rotation_y`.

    Returns:
        `(..., 7)` in the frame `CAMERA`.
    """
    height, width, length, x, bottom, z, yaw = labels.unbind(-1)
    return torch.stack([x, bottom - height / 2, z, length, height, width, yaw], dim=-1)


def to_kitti(boxes: Tensor) -> Tensor:
    """The inverse of `from_kitti`; `rotation_y` is in [-pi, pi), where KITTI has it."""
    x, y, z, length, height, width, yaw = boxes.unbind(-1)
    bottom = y + height / 2
    return torch.stack([height, width, length, x, bottom, z, wrap_angle(yaw)], dim=-1)


def from_lidar(boxes: Tensor, *, bottom: bool = False) -> Tensor:
    """Boxes as code for lidar writes them.

    Args:
        boxes: `(..., 7)`: x, y, z, then sizes along x, y, z at yaw 0 (length, width, height), then
            yaw, counter-clockwise seen from above.
        bottom: Whether z is that of the bottom face, as in mmdetection3d, or of the centre, as in
            OpenPCDet.

    Returns:
        `(..., 7)` in the frame `LIDAR`.
    """
    x, y, z, length, width, height, yaw = boxes.unbind(-1)
    z = z + height / 2 if bottom else z
    return torch.stack([x, y, z, length, height, width, yaw], dim=-1)


def to_lidar(boxes: Tensor, *, bottom: bool = False) -> Tensor:
    """The inverse of `from_lidar`; yaw is in [-pi, pi)."""
    x, y, z, length, height, width, yaw = boxes.unbind(-1)
    z = z - height / 2 if bottom else z
    return torch.stack([x, y, z, length, width, height, wrap_angle(yaw)], dim=-1)


def from_nuscenes(
    centre: Tensor, size: Tensor, rotation: Tensor, frame: Frame = NUSCENES
) -> Tensor:
    """Boxes as nuScenes' tables have them; what a box leans sideways or forward is left out.

    Args:
        centre: `(..., 3)` x, y, z in metres.
        size: `(..., 3)` width, length, height in metres.
        rotation: `(..., 4)` quaternion w, x, y, z that turns x, y, z into the box's forward, left
            and up; of any length but 0.
        frame: `NUSCENES`, or `CAMERA` for boxes that its devkit has moved to a camera.

    Returns:
        `(..., 7)` in that frame, yaw in [-pi, pi).
    """
    w, x, y, z = (rotation / rotation.norm(dim=-1, keepdim=True)).unbind(-1)
    forward = torch.stack(
        [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], dim=-1
    )
    width, length, height = size.unbind(-1)
    numbers = torch.stack([length, height, width, _yaw(forward, frame)], dim=-1)
    return torch.cat([centre, numbers], dim=-1)


def to_nuscenes(boxes: Tensor, frame: Frame = NUSCENES) -> tuple[Tensor, Tensor, Tensor]:
    """The inverse of `from_nuscenes`: centre `(..., 3)`, size `(..., 3)`, rotation `(..., 4)`."""
    length, height, width, yaw = boxes[..., 3:].unbind(-1)
    cos, sin = (yaw / 2).cos(), (yaw / 2).sin()
    # A turn by yaw, after the turn of x, y, z to where the axes of a box of yaw 0 are.
    x, y, z = _cross(frame.ahead, frame.turned)
    a, b, c, d = _upright(frame)
    rotation = torch.stack(
        [
            cos * a - sin * (x * b + y * c + z * d),
            cos * b + sin * (x * a + y * d - z * c),
            cos * c + sin * (y * a + z * b - x * d),
            cos * d + sin * (z * a + x * c - y * b),
        ],
        dim=-1,
    )
    return boxes[..., CENTRE], torch.stack([width, length, height], dim=-1), rotation


def _yaw(forward: Tensor, frame: Frame) -> Tensor:
    """Angle of a direction `(..., 3)` on the ground."""
    return wrap_angle(torch.atan2(along(forward, frame.turned), along(forward, frame.ahead)))


def _upright(frame: Frame) -> tuple[float, float, float, float]:
    """Quaternion w, x, y, z of the axes of a box of yaw 0."""
    forward, left, up = frame.ahead, _cross(frame.up, frame.ahead), frame.up
    w = math.sqrt(1 + forward[0] + left[1] + up[2]) / 2
    return (
        w,
        (left[2] - up[1]) / (4 * w),
        (up[0] - forward[2]) / (4 * w),
        (forward[1] - left[0]) / (4 * w),
    )


def _cross(a: Axis, b: Axis) -> Axis:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
