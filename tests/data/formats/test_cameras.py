from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.cameras import CameraFolder, find_camera, read_camera
from vision.data.formats.kitti import read_calibration, read_pairs
from vision.errors import DataError


@pytest.mark.parametrize("text", ["500 501 320 240.5", "500, 0, 320\n0 501 240.5\n0 0 1\n"])
def test_four_numbers_or_a_matrix(text: str, tmp_path: Path) -> None:
    (tmp_path / "camera.txt").write_text(text)
    assert read_camera(tmp_path / "camera.txt").tolist() == [500, 501, 320, 240.5]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("500 501 320", "holds 3 numbers"),
        ("500 501 320 x", "'500 501 320 x'"),
        ("500 7 320 0 501 240 0 0 1", "matrix with other numbers"),
        ("-500 501 320 240", "focal lengths above 0"),
    ],
)
def test_other_files_are_named(text: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "camera.txt"
    path.write_text(text)
    with refuses(DataError, part, str(path), "fx"):
        read_camera(path)


def test_where_a_camera_is_looked_for(tmp_path: Path) -> None:
    beside = tmp_path / "depth"
    assert find_camera(None, tmp_path, beside) is None
    (tmp_path / "cameras" / "train").mkdir(parents=True)
    (tmp_path / "cameras" / "train" / "a.txt").write_text("1 2 3 4")
    found = find_camera(None, tmp_path, beside)
    assert isinstance(found, CameraFolder)
    assert found(str(beside / "train" / "a.npy")).tolist() == [1, 2, 3, 4]
    with refuses(DataError, "cameras/train/b.txt"):
        found(str(beside / "train" / "b.npy"))
    (tmp_path / "camera.txt").write_text("5 6 7 8")
    assert np.array_equal(find_camera(None, tmp_path, beside), [5, 6, 7, 8])  # type: ignore[arg-type]
    assert np.array_equal(find_camera([9, 6, 7, 8], tmp_path, beside), [9, 6, 7, 8])  # type: ignore[arg-type]


def test_the_calibration_of_kitti(tmp_path: Path) -> None:
    path = tmp_path / "calib_cam_to_cam.txt"
    path.write_text(
        "calib_time: 09-Jan-2012 13:57:47\n"
        "P_rect_02: 7.2e+02 0 6.09e+02 4.4e+01 0 7.1e+02 1.72e+02 2e-01 0 0 1 2.7e-03\n"
        "P_rect_03: 1 2 3\n"
    )
    assert read_calibration(path, "image_02").tolist() == [720, 710, 609, 172]
    for camera in ("image_03", "image_01"):
        with refuses(DataError, f"P_rect_{camera[-2:]}", "3 x 4"):
            read_calibration(path, camera)


def test_a_list_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("a.png b.png 721.5\n\nc.png None 721.5\nd.png e.png\n")
    pairs, without = read_pairs(path)
    assert pairs == [("a.png", "b.png"), ("d.png", "e.png")]
    assert without == 1
    path.write_text("a.png b.png\nalone.png\n")
    with refuses(DataError, "line 2", "'alone.png'"):
        read_pairs(path)
    path.write_text("a.png None\n")
    with refuses(DataError, "no image with a depth map"):
        read_pairs(path)
