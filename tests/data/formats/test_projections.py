from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.projections import (
    check_projection,
    focal_projection,
    read_calibration,
    read_projection,
)
from vision.errors import ConfigError, DataError

P2 = "721.5 0 609.5 44.8 0 721.5 172.8 0.21 0 0 1 0.0027"
KITTI = f"""P0: {P2.replace("44.8", "0")}
P2: {P2}
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0.1 0 0 -1 -0.08 1 0 0 -0.27
Tr_imu_to_velo: 1 0 0 0 0 1 0 0 0 0 1 0
"""
MATRIX = [[721.5, 0, 609.5], [0, 721.5, 172.8], [0, 0, 1]]


def write(folder: Path, text: str) -> Path:
    path = folder / "calibration.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        (KITTI, [44.8, 0.21, 0.0027]),
        # Lines may stand in any order.
        ("\n".join(reversed(KITTI.splitlines())), [44.8, 0.21, 0.0027]),
        (P2.replace(" ", ","), [44.8, 0.21, 0.0027]),
        ("721.5 0 609.5\n0 721.5 172.8\n0 0 1\n", [0, 0, 0]),
        ("721.5, 721.5, 609.5, 172.8", [0, 0, 0]),
    ],
)
def test_every_form_is_the_same_camera(text: str, shift: list[float], tmp_path: Path) -> None:
    found = read_projection(write(tmp_path, text))
    assert found.dtype == np.float64
    assert np.array_equal(found[:, :3], MATRIX)
    assert found[:, 3].tolist() == shift


def test_a_focal_length_needs_the_size(tmp_path: Path) -> None:
    path = write(tmp_path, "700\n")
    expected = [[700, 0, 50, 0], [0, 700, 20, 0], [0, 0, 1, 0]]
    assert read_projection(path, size=(40, 100)).tolist() == expected
    assert focal_projection(700, (40, 100)).tolist() == expected
    with refuses(DataError, str(path), "700", "size of the image"):
        read_projection(path)
    with refuses(ConfigError, "-3", "above 0"):
        focal_projection(-3, (40, 100))
    with refuses(DataError, str(path), "-700", "above 0"):
        read_projection(write(tmp_path, "-700"), size=(40, 100))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (KITTI.replace("P2", "P7"), ["no line 'P2:'", "P0, P7, R0_rect", "Copy"]),
        (
            KITTI.replace(" 0.0027\nR0", "\nR0"),
            ["line 2 (P2)", "11 numbers", "expected the 12 of a matrix of 3 x 4"],
        ),
        (KITTI.replace("44.8", "x"), ["line 2 (P2)", "'x'", "finite"]),
        (KITTI.replace("44.8", "nan"), ["line 2 (P2)", "'nan'", "finite"]),
        (KITTI.replace("172.8 0.21 0 0 1", "172.8 0.21 0 0 0"), ["line 2 (P2)", "singular"]),
        (KITTI.replace("P2: 721.5", "P2: -721.5"), ["line 2 (P2)", "-721.5", "above 0"]),
        ("1 2 3", ["3 numbers", "fx fy cx cy"]),
        ("0 0 0 0 0 0 0 0 0", ["singular", "fx fy cx cy"]),
        ("700 0 50 0 0 20 0 0 1", ["singular"]),
        ("0 -700 50 700 0 20 0 0 1", ["focal lengths 0 and 0"]),
        ("700 9 50 0 700 20 0 0 1", ["skewed", "Rectify"]),
        ("", ["0 numbers"]),
    ],
)
def test_what_is_no_camera_is_named(text: str, parts: list[str], tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with refuses(DataError, str(path), *parts):
        read_projection(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with refuses(DataError, "calibration", "absent.txt"):
        read_projection(tmp_path / "absent.txt")


def test_a_matrix_in_python() -> None:
    assert np.array_equal(check_projection(np.array(MATRIX))[:, :3], MATRIX)
    with refuses(ConfigError, "calibration", "fx fy cx cy"):
        check_projection([[1, 2], [3]])  # type: ignore[list-item]


def test_lidar_to_camera(tmp_path: Path) -> None:
    """A point 10 m before the lidar, 1 m left and 0.5 m up, rectified by a quarter turn about z."""
    turned = KITTI.replace("R0_rect: 1 0 0 0 1 0", "R0_rect: 0 -1 0 1 0 0")
    projection, lidar_to_camera = read_calibration(write(tmp_path, turned))
    assert projection[0].tolist() == [721.5, 0, 609.5, 44.8]
    # Unrectified: x = -1 + 0.1, y = -0.5 - 0.08, z = 10 - 0.27.
    assert lidar_to_camera @ [10, 1, 0.5, 1] == pytest.approx([0.58, -0.9, 9.73, 1])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (KITTI.replace("R0_rect", "R0"), ["no line 'R0_rect:'"]),
        (KITTI.replace("R0_rect: 1 0 0", "R0_rect: 2 0 0"), ["line 3 (R0_rect)", "rotation"]),
        (KITTI.replace("cam: 0 -1 0", "cam: 0 1 0"), ["line 4 (Tr_velo_to_cam)", "rotation"]),
        (KITTI.replace("P2: 721.5", "P2: 0"), ["line 2 (P2)", "singular"]),
        (P2, ["no line 'P2:'"]),
    ],
)
def test_a_broken_calibration_is_named(text: str, parts: list[str], tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with refuses(DataError, str(path), *parts):
        read_calibration(path)
