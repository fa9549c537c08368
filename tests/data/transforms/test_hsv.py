import sys

import numpy as np
import pytest

from vision.data.transforms import hsv
from vision.data.transforms.hsv import HUES, change_hsv

GENERATOR = np.random.default_rng(0)
# Hue, saturation, or both.
TABLES = {
    "nothing": (np.arange(HUES), np.arange(256)),
    "hue": ((np.arange(HUES) + 77) % HUES, np.arange(256)),
    "saturation": (np.arange(HUES), np.minimum(np.arange(256) * 1.4, 255)),
    "both": (GENERATOR.permutation(HUES), GENERATOR.permutation(256)),
}


@pytest.fixture
def without_opencv(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    hsv._opencv.cache_clear()
    yield
    monkeypatch.undo()
    hsv._opencv.cache_clear()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def by_opencv() -> dict[str, np.ndarray]:
    pytest.importorskip("cv2")
    return {name: change(noise(200, 500), name) for name in TABLES}


def change(image: np.ndarray, name: str) -> np.ndarray:
    hues, saturations = TABLES[name]
    return change_hsv(image, hues, saturations.astype(np.uint8))


@pytest.mark.parametrize("name", TABLES)
def test_numpy_makes_the_pixels_of_opencv(
    by_opencv: dict[str, np.ndarray], without_opencv: None, name: str
) -> None:
    image = noise(200, 500)
    away = np.abs(change(image, name).astype(int) - by_opencv[name])
    assert away.max() <= 1
    assert (away > 0).mean() < 2e-4
    np.testing.assert_array_equal(image, noise(200, 500))


@pytest.mark.parametrize("size", [(1, 1), (3, 11), (5, 7), (1, 64)])
@pytest.mark.parametrize("chunk", [32, 64, hsv.CHUNK])
def test_pixels_do_not_depend_on_their_place(
    size: tuple[int, int], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV rounds the rest of a row in another way than the pixels before it."""
    image = noise(*size)
    monkeypatch.setattr(hsv, "CHUNK", chunk)
    whole = np.tile(image.reshape(-1, 3), (32, 1))[None]  # each pixel also within whole vectors
    expected = change(whole, "both")[0, : size[0] * size[1]].reshape(image.shape)
    np.testing.assert_array_equal(change(image, "both"), expected)


@pytest.mark.parametrize("chunk", [1, 7, 192])
def test_the_work_in_parts_changes_nothing(
    chunk: int, without_opencv: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = change(noise(12, 16), "both")
    monkeypatch.setattr(hsv, "CHUNK", chunk)
    np.testing.assert_array_equal(change(noise(12, 16), "both"), whole)
