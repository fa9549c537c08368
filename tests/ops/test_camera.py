import numpy as np
import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.ops.camera import back_project, check_camera, project

CAMERA = np.array([50.0, 40.0, 7.0, 3.0])


def test_points_are_seen_at_their_pixels() -> None:
    depth = np.random.default_rng(0).uniform(1, 5, (6, 9))
    points = back_project(depth, CAMERA)
    # Worked by hand: column 9 - 1, row 2.
    z = depth[2, 8]
    np.testing.assert_allclose(points[2, 8], [(8 - 7) / 50 * z, (2 - 3) / 40 * z, z])
    seen = project(points, CAMERA)
    rows, columns = np.mgrid[:6, :9]
    np.testing.assert_allclose(seen, np.stack([columns, rows], axis=-1), atol=1e-12)


def test_no_reading_is_no_point() -> None:
    assert not back_project(np.zeros((2, 3)), CAMERA).any()


@pytest.mark.parametrize(
    "camera", [(1, 2, 3), (0, 1, 2, 3), (1, -1, 0, 0), ("a",) * 4, (1, 1, np.nan, 0)]
)
def test_a_camera_is_four_numbers(camera: tuple) -> None:
    with refuses(ConfigError, "data.camera=", "fx, fy, cx, cy"):
        check_camera(camera, "data.camera")
