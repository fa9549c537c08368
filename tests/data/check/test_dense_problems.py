"""What maps together cannot be right is told before the first step, with three of the files."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_depth import scene, write_depth, write_depth_folder, write_normals
from PIL import Image

from vision.data import DepthFolder, NormalsFolder
from vision.errors import DataError, ImageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_depth_folder(tmp_path)


def rewrite(root: Path, change: Callable[[np.ndarray], np.ndarray], scale: float = 1000) -> None:
    """Write the depth maps of all scenes again, changed."""
    for seed, path in enumerate(sorted((root / "depth").rglob("*.png"))):
        write_depth(path, change(scene(seed)[0]), scale)


def set_up(root: Path, **options: Any) -> DepthFolder:
    data = DepthFolder(root=root, **{"num_workers": 0, "scale": 1000, **options})
    data.setup("fit")
    return data


@pytest.mark.parametrize(("scale", "median"), [(1, "m, such as"), (1e7, "m, such as")])
def test_a_wrong_unit_names_three_files(root: Path, scale: float, median: str) -> None:
    files = [f"'{root}/depth/train/{number}.png'" for number in (0, 2, 3)]
    with refuses(DataError, *files, median, "0.01 to 200 m", "data.scale", "data.median_range"):
        set_up(root, scale=scale)
    wide = set_up(root, scale=scale, median_range=(0, 1e9))
    assert wide.train_size == 4


def test_no_depth_in_a_split(root: Path) -> None:
    rewrite(root, np.zeros_like)
    with refuses(DataError, "4 depth maps of the train split", "depth/train/3.png", "invalid"):
        set_up(root)


def test_depth_that_was_of_8_bits_once(tmp_path: Path) -> None:
    root = write_depth_folder(tmp_path, size=(60, 80))
    for seed, path in enumerate(sorted((root / "depth").rglob("*.png"))):
        depth, _ = scene(seed, size=(60, 80))
        write_depth(path, (depth / 10 * 255).clip(0, 255).round() * 10 / 255)
    with refuses(DataError, "different depths", "8 bit", "depth/train/3.png", ".npy"):
        set_up(root)
    for path in sorted((root / "depth").rglob("*.png")):
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)).astype(np.float32))
        path.unlink()
    assert set_up(root).train_size == 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_values_that_mean_no_reading_are_declared(root: Path, value: float) -> None:
    path = root / "depth" / "train" / "2.npy"
    depth, _ = scene(2)
    depth[4, 6] = value / 1000
    path.with_suffix(".png").unlink()
    np.save(path, 1000 * depth)
    with refuses(DataError, str(path), "row 4, column 6", "data.invalid"):
        set_up(root)
    sample = set_up(root, invalid=[value]).index("train").load(2)
    assert sample.targets is not None
    assert sample.targets.depth is not None
    assert (sample.targets.depth == 0).sum() == 1


def test_a_map_of_another_size_is_told_at_once(root: Path) -> None:
    write_depth(root / "depth" / "val" / "1.png", scene(0)[0][:-2])
    with refuses(ImageError, "depth map", "val/1.png' is 22 x 32", "is 24 x 32", "nearest pixel"):
        set_up(root)
    # Where unreadable images may be skipped, the run decides.
    assert set_up(root, skip_bad_images=3).train_size == 4


def test_what_was_read_is_logged_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="vision.data.check.dense_problems")
    data = set_up(root)
    data.setup("test")
    depths = np.concatenate([scene(seed)[0].ravel() for seed in range(4)])
    first, second = [record.getMessage() for record in caplog.records]
    assert first.startswith("train: 4 depth maps were read: ")
    assert f"{depths.min():.3g} to {depths.max():.3g} m" in first
    assert "100.0% of the pixels" in first
    assert second.startswith("val: 2 depth maps")


def test_maps_without_a_reading_are_remarked(root: Path) -> None:
    write_depth(root / "depth" / "train" / "1.png", np.zeros((24, 32)))
    remarks: list[str] = []
    assert list(DepthFolder(root=root, scale=1000, num_workers=0).problems(remarks=remarks)) == []
    assert any("75.0% of the pixels" in remark for remark in remarks)
    assert any("1 depth map without a valid pixel" in remark for remark in remarks)


def test_normals_of_another_frame(root: Path) -> None:
    for seed, path in enumerate(sorted((root / "normals").rglob("*.png"))):
        write_normals(path, scene(seed)[1] * np.array([1, 1, -1])[:, None, None])
    with refuses(DataError, "0% of the normals", "normals/train/3.png", "data.negate", "[z]"):
        NormalsFolder(root=root, num_workers=0).setup("fit")
    data = NormalsFolder(root=root, num_workers=0, negate=["z"])
    data.setup("fit")
    np.testing.assert_allclose(data.index("train").load(0).targets.normals, scene(0)[1], atol=0.01)  # type: ignore[union-attr]
