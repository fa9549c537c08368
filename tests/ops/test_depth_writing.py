"""Depth in files: read back with the scale that the file states, whatever it is."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from PIL import Image

from vision.errors import ConfigError, DataError
from vision.ops.depth_maps import read_depth
from vision.ops.depth_scale import SCALE_KEY, stated_scale
from vision.ops.depth_writing import usual_scale, write_depth
from vision.ops.png_writing import encode_png

DEPTH = np.random.default_rng(0).uniform(0.5, 60, (7, 9))


@pytest.mark.parametrize(
    ("largest", "scale"), [(0.3, 1000), (65.5, 1000), (80, 256), (255.9, 256), (300, 128)]
)
def test_the_scale_fits_the_largest_depth(tmp_path: Path, largest: float, scale: int) -> None:
    depth = DEPTH * largest / DEPTH.max()
    path = write_depth(tmp_path / "made" / "a.png", depth)
    assert usual_scale(largest) == stated_scale(path) == scale
    assert np.abs(read_depth(path, None) - depth).max() <= 0.5 / scale + 1e-9
    with Image.open(path) as image:
        assert float(image.text[SCALE_KEY]) == scale


def test_arrays_hold_metres(tmp_path: Path) -> None:
    depth = DEPTH.astype(np.float32)
    assert np.array_equal(read_depth(write_depth(tmp_path / "a.npy", depth), None), depth)


def test_zero_is_no_reading_and_nothing_else_becomes_it(tmp_path: Path) -> None:
    depth = np.array([[0.0, 1e-5, 2.0]])
    path = write_depth(tmp_path / "a.png", depth, scale=100)
    assert read_depth(path, None).tolist() == [[0.0, 0.01, 2.0]]


def test_a_given_scale_must_be_the_stated_one(tmp_path: Path) -> None:
    path = write_depth(tmp_path / "a.png", DEPTH)
    assert np.array_equal(read_depth(path, 1000), read_depth(path, None))
    with refuses(DataError, "a.png", "1000", "--annotation-scale", "256"):
        read_depth(path, 256, "--annotation-scale")
    plain = tmp_path / "plain.png"
    Image.fromarray((DEPTH * 256).astype(np.uint16)).save(plain)
    assert read_depth(plain, 256) == pytest.approx(DEPTH, abs=1 / 256)
    with refuses(ConfigError, "plain.png", "no scale", "--annotation-scale", "256"):
        read_depth(plain, None, "--annotation-scale")
    (tmp_path / "b.png").write_bytes(encode_png(np.ones((2, 2), np.uint16), {SCALE_KEY: "-1"}))
    with refuses(DataError, "b.png", SCALE_KEY, "-1"):
        read_depth(tmp_path / "b.png", None)


def test_what_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    for wrong in (-1.0, np.inf, np.nan):
        with refuses(DataError, "a.png", "negative, infinite or NaN", ".npy"):
            write_depth(tmp_path / "a.png", np.array([[1.0, wrong]]))
    with refuses(DataError, "a.png", "100 m", "65.535 m", "655.4"):
        write_depth(tmp_path / "a.png", np.array([[100.0]]), scale=1000)
    with refuses(ConfigError, "a.tif", ".png", ".npy"):
        write_depth(tmp_path / "a.tif", DEPTH)
    with refuses(ConfigError, "scale=0"):
        write_depth(tmp_path / "a.png", DEPTH, scale=0)
    with refuses(DataError, "a.png", "int64", "(H, W)"):
        write_depth(tmp_path / "a.png", np.ones((2, 2), np.int64))
    assert not list(tmp_path.iterdir())
