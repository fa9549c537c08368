"""Boxes in the image of a pinhole camera, against points that are sampled on their surface."""

import numpy as np
import torch
from helpers.boxes3d import boxes_of
from helpers.properties import examples
from hypothesis import given
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, LIDAR
from vision.ops import camera
from vision.ops.box_projection import project_boxes, project_points, project_segments
from vision.ops.boxes3d import box_axes, box_corners, move_boxes

# KITTI's P2 in form: its last column shifts the camera.
P2 = torch.tensor([[700.0, 0, 600, 45], [0, 710, 170, -0.3], [0, 0, 1, 0.005]], dtype=torch.float64)


def on_edges(box: Tensor, steps: int = 2001) -> Tensor:
    """Points on the twelve edges `(12 * steps, 3)`, by stepping along each axis."""
    axes, half = box_axes(box), torch.stack([box[3], box[5], box[4]]) / 2
    along = torch.linspace(-1, 1, steps, dtype=torch.float64)
    points = []
    for axis in range(3):
        for signs in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)):
            local = torch.tensor(signs, dtype=torch.float64).expand(steps, 2).clone()
            local = torch.cat([local[:, :axis], along[:, None], local[:, axis:]], dim=1)
            points.append((local * half) @ axes.T + box[:3])
    return torch.cat(points)


def test_points_are_seen_where_the_camera_of_depth_maps_sees_them() -> None:
    points = torch.tensor([[1.0, -2.0, 10.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    plain = torch.tensor([[700.0, 0, 600, 0], [0, 710, 170, 0], [0, 0, 1, 0]])
    pixels, depth = project_points(points, plain)
    expected = camera.project(points.numpy(), np.array([700, 710, 600, 170]))
    np.testing.assert_allclose(pixels.numpy(), expected)
    assert depth.tolist() == [10, 3]


def test_points_with_a_shifted_camera_by_hand() -> None:
    pixels, depth = project_points(torch.tensor([[0.0, 0.0, 9.995]], dtype=torch.float64), P2)
    torch.testing.assert_close(depth, torch.tensor([10.0], dtype=torch.float64))
    expected = torch.tensor([[(600 * 9.995 + 45) / 10, (170 * 9.995 - 0.3) / 10]])
    torch.testing.assert_close(pixels, expected.double())


@given(boxes=boxes_of())
@examples(80)
def test_rectangles_enclose_what_is_seen_of_the_edges(boxes: Tensor) -> None:
    near = 0.5
    rectangles, visible = project_boxes(boxes, P2, near=near)
    for box, rectangle, seen in zip(boxes, rectangles, visible.tolist(), strict=True):
        pixels, depth = project_points(on_edges(box), P2)
        pixels = pixels[depth >= near]
        assert seen or not len(pixels)
        if not seen:
            assert rectangle.tolist() == [0, 0, 0, 0]
        elif len(pixels):
            low, high = pixels.amin(dim=0), pixels.amax(dim=0)
            # Points stop short of where an edge is cut, but not of corners.
            if depth.min() >= near:
                torch.testing.assert_close(rectangle, torch.cat([low, high]))


def test_a_box_beside_the_camera_is_cut_and_one_behind_is_not_seen() -> None:
    # From 2 m behind the camera to 2 m before it, 3 m to the right.
    boxes = torch.tensor([[3.0, 0, 0, 4, 1, 1, np.pi / 2], [0.0, 0, -5, 1, 1, 1, 0]]).double()
    plain = torch.tensor([[100.0, 0, 0, 0], [0, 100, 0, 0], [0, 0, 1, 0]])
    rectangles, visible = project_boxes(boxes, plain, near=0.1)
    assert visible.tolist() == [True, False]
    # Left: 2.5 m aside at the far end. Right: 3.5 m aside where it is cut.
    expected = torch.tensor([100 * 2.5 / 2, -500.0, 100 * 3.5 / 0.1, 500.0]).double()
    torch.testing.assert_close(rectangles[0], expected)
    assert rectangles[1].tolist() == [0, 0, 0, 0]


def test_lines_end_where_they_come_too_near() -> None:
    # From 3 m ahead to 1 m behind the camera, wholly behind it, and from 2 m behind to 3 m ahead.
    camera = torch.tensor([[100.0, 0, 50, 0], [0, 100, 40, 0], [0, 0, 1, 0]])
    points = torch.tensor([[2.0, 0, 3], [-2, 1, -1], [0, 0, -2]])
    ends, seen = project_segments(points, camera, [(0, 1), (1, 2), (2, 0)], near=0.5)
    assert seen.tolist() == [True, False, True]
    # 0.5 m ahead the first line is at x = -0.5, y = 0.625.
    expected = torch.tensor([[50 + 200 / 3, 40], [50 - 100, 40 + 125]])
    torch.testing.assert_close(ends[0], expected)
    # The third one is at x = 1 there.
    torch.testing.assert_close(ends[2], torch.tensor([[50 + 200, 40], [50 + 200 / 3, 40]]))


def test_a_frame_may_be_another() -> None:
    there = torch.tensor([[0.0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1]])
    boxes = torch.tensor([[20.0, 3, -1, 4, 1.5, 2, 0.4], [30.0, -3, -1, 4, 1.5, 2, 2.0]])
    by_camera, _ = project_boxes(move_boxes(boxes, there, LIDAR, CAMERA), P2.float())
    by_lidar, _ = project_boxes(boxes, P2.float() @ there, LIDAR)
    torch.testing.assert_close(by_lidar, by_camera, rtol=1e-5, atol=1e-3)


def test_each_box_may_have_its_own_camera() -> None:
    boxes = torch.tensor([[0.0, 0, 20, 4, 1.5, 2, 0.4], [3.0, 0, 30, 4, 1.5, 2, 2.0]]).double()
    cameras = torch.stack([P2, P2 * torch.tensor([[2.0], [2.0], [1.0]])])
    rectangles, _ = project_boxes(boxes, cameras)
    torch.testing.assert_close(rectangles[1], 2 * project_boxes(boxes[1], P2)[0])
    assert box_corners(boxes).shape == (2, 8, 3)
