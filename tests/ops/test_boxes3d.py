"""Boxes in space: round trips, and corners against rotation matrices that are written out."""

import math

import numpy as np
import pytest
import torch
from helpers.boxes3d import FRAMES, angles, boxes_of, quaternion_matrix
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, LIDAR, NUSCENES, Frame
from vision.ops.boxes3d import (
    CORNERS,
    box_axes,
    box_corners,
    from_kitti,
    from_lidar,
    from_nuscenes,
    move_boxes,
    observation_angle,
    to_kitti,
    to_lidar,
    to_nuscenes,
    wrap_angle,
)

# From a lidar (forward, left, up) to a camera (right, down, forward), without a shift.
AXES = torch.tensor([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]], dtype=torch.float64)


def transform(rotation: Tensor = AXES, shift: tuple[float, ...] = (0.1, -0.2, -0.3)) -> Tensor:
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3], matrix[:3, 3] = rotation, torch.tensor(shift)
    return matrix


def same_boxes(actual: Tensor, expected: Tensor, tolerance: float = 1e-9) -> None:
    """Equal numbers, and yaws that are the same direction."""
    torch.testing.assert_close(actual[..., :6], expected[..., :6], rtol=0, atol=tolerance)
    turn = wrap_angle(actual[..., 6] - expected[..., 6])
    assert turn.abs().max() <= tolerance


@given(angle=st.floats(-1e4, 1e4), period=st.sampled_from([2 * math.pi, math.pi, 1.0]))
@examples(100)
def test_wrapped_angles_are_equal_and_in_range(angle: float, period: float) -> None:
    wrapped = wrap_angle(torch.tensor(angle, dtype=torch.float64), period).item()
    assert -period / 2 <= wrapped < period / 2
    turns = (angle - wrapped) / period
    assert turns == pytest.approx(round(turns), abs=1e-9)


def test_the_upper_end_of_angles_is_the_lower_one() -> None:
    below = torch.nextafter(torch.tensor(-math.pi), torch.tensor(-9.0))
    ends = wrap_angle(torch.stack([torch.tensor(math.pi), torch.tensor(-math.pi), below]))
    assert (ends >= -math.pi - 1e-6).all()
    assert (ends < math.pi).all()


@given(boxes=boxes_of(), bottom=st.booleans())
@examples(60)
def test_conversions_return(boxes: Tensor, bottom: bool) -> None:
    same_boxes(from_kitti(to_kitti(boxes)), boxes)
    same_boxes(from_lidar(to_lidar(boxes, bottom=bottom), bottom=bottom), boxes)
    for frame in FRAMES:
        same_boxes(from_nuscenes(*to_nuscenes(boxes, frame), frame), boxes)


def test_numbers_of_other_formats_by_hand() -> None:
    box = torch.tensor([2.0, 1.0, 30.0, 4.0, 1.5, 1.6, 7.0])
    turn = 7 - 2 * math.pi
    torch.testing.assert_close(to_kitti(box), torch.tensor([1.5, 1.6, 4.0, 2.0, 1.75, 30.0, turn]))
    torch.testing.assert_close(
        to_lidar(box, bottom=True), torch.tensor([2.0, 1.0, 29.25, 4.0, 1.6, 1.5, turn])
    )
    centre, size, rotation = to_nuscenes(box)
    assert centre.tolist() == [2, 1, 30]
    torch.testing.assert_close(size, torch.tensor([1.6, 4.0, 1.5]))
    torch.testing.assert_close(
        rotation, torch.tensor([math.cos(3.5), 0, 0, math.sin(3.5)]), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.name)
@given(yaw=angles())
@examples(40)
def test_axes_are_a_rotation_that_the_quaternion_agrees_with(frame: Frame, yaw: float) -> None:
    box = torch.tensor([0, 0, 0, 4, 1.5, 2, yaw], dtype=torch.float64)
    axes = box_axes(box, frame)
    torch.testing.assert_close(axes @ axes.T, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(axes) == pytest.approx(1)
    torch.testing.assert_close(quaternion_matrix(to_nuscenes(box, frame)[2]), axes)


@given(boxes=boxes_of())
@examples(40)
def test_corners_are_those_of_rotation_matrices(boxes: Tensor) -> None:
    for frame, axis, local in (
        # About y, which points down; the box's left is z and its up is -y at yaw 0.
        (CAMERA, "y", lambda f, s, u, size: [f * size[0], -u * size[1], s * size[2]]),
        (LIDAR, "z", lambda f, s, u, size: [f * size[0], s * size[2], u * size[1]]),
        (NUSCENES, "z", lambda f, s, u, size: [f * size[0], s * size[2], u * size[1]]),
    ):
        corners = box_corners(boxes, frame)
        for box, found in zip(boxes, corners, strict=True):
            turn = Rotation.from_euler(axis, box[6].item())
            half = (box[3:6] / 2).tolist()
            expected = [turn.apply(local(*corner, half)) + box[:3].numpy() for corner in CORNERS]
            np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-9)


def test_corners_of_a_car_by_hand() -> None:
    # It looks to the right; its bottom, 1.5 m below the camera, comes first.
    car = torch.tensor([10.0, 0.75, 20.0, 4.0, 1.5, 2.0, 0.0])
    corners = box_corners(car)
    assert corners[:, 1].tolist() == [1.5] * 4 + [0.0] * 4
    assert corners[0].tolist() == [12.0, 1.5, 21.0]  # front left: away from the camera
    assert corners[2].tolist() == [8.0, 1.5, 19.0]


@given(boxes=boxes_of())
@examples(60)
def test_boxes_move_to_another_frame_and_back(boxes: Tensor) -> None:
    there = transform()
    moved = move_boxes(boxes, there, LIDAR, CAMERA)
    same_boxes(move_boxes(moved, there.inverse(), CAMERA, LIDAR), boxes, 1e-8)
    # The corners are the same points, in another order since left and right turn with the box.
    points = box_corners(boxes, LIDAR) @ there[:3, :3].T + there[:3, 3]
    torch.testing.assert_close(box_corners(moved, CAMERA), points, rtol=0, atol=1e-8)
    # Published code writes it so.
    expected = wrap_angle(-boxes[:, 6] - math.pi / 2)
    assert wrap_angle(moved[:, 6] - expected).abs().max() < 1e-9


@given(boxes=boxes_of(), lean=st.floats(-0.1, 0.1), axis=st.sampled_from("xy"))
@examples(60)
def test_frames_that_lean_change_yaw_by_half_the_square(
    boxes: Tensor, lean: float, axis: str
) -> None:
    tilt = torch.tensor(Rotation.from_euler(axis, lean).as_matrix())
    there = transform(AXES @ tilt)
    back = move_boxes(move_boxes(boxes, there, LIDAR, CAMERA), there.inverse(), CAMERA, LIDAR)
    torch.testing.assert_close(back[:, :6], boxes[:, :6], rtol=0, atol=1e-8)
    assert wrap_angle(back[:, 6] - boxes[:, 6]).abs().max() <= lean * lean / 2 + 1e-9


@given(yaw=angles(), lean=st.floats(-0.5, 0.5))
@examples(40)
def test_a_lean_is_left_out_of_nuscenes_boxes(yaw: float, lean: float) -> None:
    turn = Rotation.from_euler("ZY", [yaw, lean])
    x, y, z, w = turn.as_quat().tolist()
    ones = torch.ones(3, dtype=torch.float64)
    # Twice as long: it is no unit quaternion, as of rounded files.
    box = from_nuscenes(ones, ones, 2 * torch.tensor([w, x, y, z], dtype=torch.float64))
    assert abs(wrap_angle(box[6] - yaw).item()) < 1e-9


def test_observation_angle_of_kittis_labels() -> None:
    # Two cars of KITTI's format: seen straight ahead, alpha is rotation_y.
    ahead = torch.tensor([0.0, 1, 20, 4, 1.5, 1.6, -1.57])
    assert observation_angle(ahead).item() == pytest.approx(-1.57)
    beside = torch.tensor([20.0, 1, 20, 4, 1.5, 1.6, -3.0])
    assert observation_angle(beside).item() == pytest.approx(
        2 * math.pi - 3.0 - math.pi / 4, abs=1e-6
    )
