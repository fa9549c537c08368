"""The camera of an image, however it is given, and what is said of what is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_monocular import CAMERA

from vision.errors import ConfigError, DataError
from vision.predict.calibration import Cameras, keep_camera

SIZE = (40, 60)
MIDDLE = np.array([[700.0, 0, 30, 0], [0, 700, 20, 0], [0, 0, 1, 0]])
P2 = CAMERA.double().numpy()


def write(path: Path, matrix: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = " ".join(str(number) for number in matrix.flatten().tolist())
    path.write_text(f"P0: {'1 ' * 12}\nP2: {numbers}\n")
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (700, MIDDLE),
        ("700", MIDDLE),
        ("700.0 700,30, 20", MIDDLE),
        ((700.0, 700.0, 30.0, 20.0), MIDDLE),
        (MIDDLE, MIDDLE),
        (MIDDLE[:, :3].tolist(), MIDDLE),
        (torch.from_numpy(P2), P2),
        (P2.flatten().tolist(), P2),
    ],
)
def test_numbers(given: Any, expected: np.ndarray) -> None:
    found = Cameras(keep_camera(given)).projection(None, SIZE)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_file_is_of_all_images_and_a_folder_has_one_for_each(tmp_path: Path) -> None:
    files = [write(tmp_path / "calib" / f"{n}.txt", P2 * [n, 1, 1, 1]) for n in (2, 3)]
    one = Cameras(keep_camera(files[0]))
    for path in (None, "a/3.png"):
        np.testing.assert_allclose(one.projection(path, SIZE), P2 * [2, 1, 1, 1])
    each = Cameras(keep_camera(str(files[0].parent)))
    np.testing.assert_allclose(each.projection("a/3.png", SIZE), P2 * [3, 1, 1, 1])
    with refuses(DataError, "a/4.png", "4.txt", "2.txt, 3.txt"):
        each.projection("a/4.png", SIZE)
    with refuses(ConfigError, "folder", "in memory", "focal length"):
        each.projection(None, SIZE)


def test_a_file_of_a_focal_length_follows_the_size_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "focal.txt").write_text("700\n")
    cameras = Cameras(keep_camera(tmp_path / "focal.txt"))
    np.testing.assert_allclose(cameras.projection(None, SIZE), MIDDLE)
    assert cameras.projection(None, (80, 100))[:2, 2].tolist() == [50, 40]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("nowhere.txt", DataError, ("nowhere.txt", "fx,fy,cx,cy", "focal length")),
        (0, ConfigError, ("camera=0", "focal length", "above 0")),
        ([700, 700, 30], ConfigError, ("camera", "3 x 4")),
        (np.zeros((3, 4)), ConfigError, ("camera", "singular")),
        (-MIDDLE, ConfigError, ("camera", "focal lengths")),
        ({"fx": 1}, ConfigError, ("camera=", "no camera")),
    ],
)
def test_what_is_no_camera(given: Any, error: Any, words: tuple[str, ...]) -> None:
    with refuses(error, *words):
        keep_camera(given)
