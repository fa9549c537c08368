"""KITTI's annotated depth: lists, folders, cameras, crops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_depth import CAMERA, scene, write_depth, write_picture
from helpers.tiny_nyuv2 import DRIVES, write_kitti

from vision.data import DenseAugment, KITTIDepth
from vision.errors import ConfigError, DataError
from vision.ops.depth_crops import crop_window

OPTIONS: dict[str, Any] = {
    "num_workers": 0,
    "augment": DenseAugment(scale=(1, 1), hflip=0, photometric=False),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_kitti(tmp_path)
    return tmp_path


@pytest.mark.parametrize("listed", [True, False])
def test_metres_and_the_camera_of_the_day(root: Path, listed: bool) -> None:
    if not listed:
        for path in root.glob("*.txt"):
            path.unlink()
    data = KITTIDepth(root=root, **OPTIONS)
    data.setup("fit")
    assert data.summary() == {"train": {"images": 4}, "val": {"images": 2}}
    assert data.val_dataset is not None
    sample = data.val_dataset[1]
    depth, _ = scene(5)
    depth[::2] = 0
    np.testing.assert_allclose(sample["depth"], depth, atol=0.51 / 256)
    np.testing.assert_allclose(sample["camera"], CAMERA)
    drive, _ = DRIVES["val"]
    assert sample["path"] == f"{root}/{drive[:10]}/{drive}/image_02/data/0000000006.png"


def test_a_day_without_calibration_has_no_camera(root: Path) -> None:
    for path in root.rglob("calib_cam_to_cam.txt"):
        path.unlink()
    data = KITTIDepth(root=root, **OPTIONS)
    data.setup("validate")
    assert data.val_dataset is not None
    assert "camera" not in data.val_dataset[0]


def test_absent_files_are_counted(root: Path) -> None:
    drive, _ = DRIVES["train"]
    folder = root / drive[:10] / drive / "image_02" / "data"
    for path in folder.iterdir():
        path.unlink()
    with refuses(DataError, "4 files of the train set", "0000000005.png", "eigen_train"):
        KITTIDepth(root=root, **OPTIONS).setup("fit")
    with refuses(DataError, "data_depth_annotated"):
        KITTIDepth(root=root, depth_root=root / "none", **OPTIONS).setup("fit")
    with refuses(DataError, "missing.txt"):
        KITTIDepth(root=root, train_list=root / "missing.txt", **OPTIONS).setup("fit")


def test_the_crop_of_the_benchmark_and_what_counts(root: Path) -> None:
    drive, _ = DRIVES["val"]
    name = "0000000005.png"
    truth = root / "data_depth_annotated/val" / drive / "proj_depth/groundtruth/image_02" / name
    height, width = 375, 1242
    write_picture(root / drive[:10] / drive / "image_02/data" / name, 9, (height, width))
    depth = np.add.outer(1 + 0.1 * np.arange(height), 1e-2 * np.arange(width))
    write_depth(truth, depth, 256)
    options = {**OPTIONS, "root": root, "val_list": root / "one.txt"}
    pair = f"{drive[:10]}/{drive}/image_02/data/{name} {truth.relative_to(root)}"
    (root / "one.txt").write_text(pair)
    data = KITTIDepth(kb_crop=True, evaluated="garg", **options)
    data.setup("validate")
    assert data.val_dataset is not None
    sample = data.val_dataset[0]
    assert sample["image"].shape == (3, 352, 1216)
    expected = np.zeros((height, width))
    window = crop_window("garg", height, width)
    expected[window] = depth[window]
    np.testing.assert_allclose(sample["depth"], expected[23:, 13:1229], atol=0.51 / 256)
    fx, fy, cx, cy = CAMERA
    np.testing.assert_allclose(sample["camera"], [fx, fy, cx - 13, cy - 23])
    with refuses(DataError, "24 x 32", "352 x 1216"):
        KITTIDepth(kb_crop=True, **OPTIONS, root=root).setup("fit")


@pytest.mark.parametrize(
    ("options", "part"),
    [({"cameras": ["image_00"]}, "cameras='image_00'"), ({"evaluated": "kb"}, "evaluated='kb'")],
)
def test_wrong_options_are_named(options: dict[str, Any], part: str, root: Path) -> None:
    with refuses(ConfigError, part):
        KITTIDepth(root=root, **options)
