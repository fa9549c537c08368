"""The sensors of streets: rays, projections and calibration against each other."""

import math

import numpy as np
import pytest
import torch

from vision.data.synthetic.street_camera import Rig, about_axes
from vision.ops.box_projection import project_points

RIG = Rig(
    height=50,
    width=160,
    focal_px=120.0,
    center_px=(81.0, 23.0),
    pitch_rad=0.01,
    elevation_m=1.65,
    lidar_turn_rad=0.012,
)


def test_rays_end_at_their_pixels() -> None:
    points = RIG.eye + RIG.rays() * np.linspace(2, 60, 160)[None, :, None]
    matrix = torch.from_numpy(RIG.projection())
    places, depth = project_points(torch.from_numpy(points), matrix)
    columns, rows = np.meshgrid(np.arange(160.0), np.arange(50.0))
    np.testing.assert_allclose(places.numpy(), np.stack([columns, rows], -1), atol=1e-9)
    np.testing.assert_allclose(depth.numpy(), points[..., 2] + 0.0027, atol=1e-9)
    np.testing.assert_allclose(RIG.project(points), places.numpy(), atol=1e-9)
    # Four rays of a pixel lie around its centre.
    fine = RIG.rays(2).reshape(50, 2, 160, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(fine, RIG.rays(), atol=1e-12)


def test_the_calibration_has_the_names_and_the_rotations_of_the_benchmark() -> None:
    rows = dict(line.split(": ") for line in RIG.calibration().splitlines() if line)
    cameras = ["P0", "P1", "P2", "P3"]
    assert [*rows] == [*cameras, "R0_rect", "Tr_velo_to_cam", "Tr_imu_to_velo"]
    found = {name: np.array(row.split(), float) for name, row in rows.items()}
    assert [len(row) for row in found.values()] == [12, 12, 12, 12, 9, 12, 12]
    for name in ("R0_rect", "Tr_velo_to_cam", "Tr_imu_to_velo"):
        rotation = found[name].reshape(3, -1)[:, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-11)
        assert np.linalg.det(rotation) == pytest.approx(1)
    # The right cameras are half a metre to the right of the left ones.
    assert found["P1"][3] / 120 == pytest.approx(-0.537)
    moved = found["R0_rect"].reshape(3, 3) @ found["Tr_velo_to_cam"].reshape(3, 4)
    np.testing.assert_allclose(moved, RIG.lidar_to_rectified, atol=1e-11)
    # The lidar stands upright on the road, which leans in the camera's frame, and looks ahead.
    np.testing.assert_allclose(moved[:, 2], [0, -math.cos(0.01), -math.sin(0.01)], atol=1e-11)
    assert moved[2, 0] > 0.999
    assert moved[0, 0] == pytest.approx(-math.sin(0.012), abs=1e-9)  # turned to the left
    assert abs(moved[:, 3] - (0, -0.08, -0.27)).max() < 0.01


def test_a_quarter_turn_about_an_axis_leads_from_the_next_to_the_one_after() -> None:
    for axis in range(3):
        turn = about_axes(*np.eye(3)[axis] * math.pi / 2)
        np.testing.assert_allclose(turn @ np.eye(3)[axis - 2], np.eye(3)[axis - 1], atol=1e-12)
