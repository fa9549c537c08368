"""Normals in files are read back."""

from pathlib import Path

import numpy as np
import pytest
from helpers.normal_files import random_normals
from helpers.refusals import refuses

from vision.errors import ConfigError, DataError
from vision.ops.normal_maps import read_normals
from vision.ops.normal_writing import write_normals


@pytest.mark.parametrize(("suffix", "error"), [(".png", 2e-5), (".npy", 1e-7)])
def test_normals_are_read_back(tmp_path: Path, suffix: str, error: float) -> None:
    normals = random_normals(0)
    normals[0, :2], normals[1, 3] = 0, np.nan
    found = read_normals(write_normals(tmp_path / "made" / f"a{suffix}", normals))
    missing = np.isnan(found).all(axis=-1)
    assert np.argwhere(missing).tolist() == [[0, 0], [0, 1], [1, 3]]
    assert np.abs(found - normals)[~missing].max() < error


def test_what_is_no_normals_is_refused(tmp_path: Path) -> None:
    with refuses(DataError, "a.png", "1.99", "unit vectors"):
        write_normals(tmp_path / "a.png", 2 * random_normals(0))
    with refuses(DataError, "a.png", "(9, 14)", "(H, W, 3)"):
        write_normals(tmp_path / "a.png", random_normals(0)[..., 0])
    with refuses(ConfigError, "a.exr", ".png", ".npy"):
        write_normals(tmp_path / "a.exr", random_normals(0))
