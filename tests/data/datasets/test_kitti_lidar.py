"""KITTI's sweeps: layout, frames, what is learned, what is evaluated, what is predicted."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_kitti import OPTIONS, P2, SIZE, calibration
from helpers.tiny_sweeps import POINTS_ON_EACH, RANGE, boxes_in_sweep, write_kitti_sweeps

from vision.contracts.boxes3d import CAMERA, LIDAR
from vision.data import KITTI, KITTILidar, LidarAugment
from vision.errors import ConfigError, DataError, ImageError
from vision.ops.boxes3d import move_boxes
from vision.ops.points_in_boxes import points_in_boxes

STILL = LidarAugment(mirror=(0, 0), rotation=0, scale=(1, 1))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kitti_sweeps(tmp_path_factory.mktemp("kitti"))


@pytest.fixture
def root(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "kitti"))


def make(root: Path, stage: str = "fit", **options: Any) -> KITTILidar:
    given = {"point_range": RANGE, "num_workers": 0, "batch_size": 2, **options}
    data = KITTILidar(root=root, **given)
    data.setup(stage)
    return data


def test_evaluation_has_what_the_images_have(good: Path) -> None:
    data = make(good, "validate")
    images = KITTI(root=good, num_workers=0, **OPTIONS)
    images.setup("validate")
    assert data.class_names == images.class_names
    assert data.val_dataset is not None
    assert images.val_dataset is not None
    sample, seen = data.val_dataset[1], images.val_dataset[1]
    assert sample["path"] == str(good / "training" / "velodyne" / "000004.bin")
    assert sample["camera_size"].tolist() == [*SIZE]
    np.testing.assert_allclose(sample["camera"], P2, rtol=1e-6)
    assert "target" not in sample
    for key, value in seen["truth"].items():
        own = sample["truth"][key]
        assert torch.equal(own, value) if isinstance(value, torch.Tensor) else own == value
    # Boxes of the truth hold the points, moved to the camera.
    to_camera = sample["lidar_to_camera"]
    moved = sample["points"][:, :3] @ to_camera[:3, :3].T + to_camera[:3, 3]
    counts = points_in_boxes(moved, sample["truth"]["boxes3d"][:3], CAMERA).sum(1)
    assert (counts >= 0.9 * POINTS_ON_EACH).all()
    batch = next(iter(data.val_dataloader()))
    assert batch["counts"].sum() == len(batch["points"])
    assert batch["points"].dtype == torch.float32
    assert batch["index"].tolist() == [0, 1]
    assert data.preprocessing == {"point_range": [*RANGE], "in_view": True}


def test_learned_boxes_are_in_the_frame_of_the_points(good: Path) -> None:
    data = make(good, augment=STILL)
    assert data.train_dataset is not None
    sample = data.train_dataset[0]
    target = sample["target"]
    expected = boxes_in_sweep(good / "training", "000000")[:2].float()
    torch.testing.assert_close(target["boxes3d"], expected, atol=1e-4, rtol=0)
    assert target["labels"].tolist() == [1, 2]
    assert "truth" not in sample
    assert sample["points"][:, 0].min() > 0
    hit = points_in_boxes(sample["points"][:, :3], target["boxes3d"]).sum(1)
    assert (hit >= 0.9 * POINTS_ON_EACH).all()
    again = move_boxes(target["boxes3d"], sample["lidar_to_camera"], LIDAR, CAMERA)
    torch.testing.assert_close(
        again, data.index("train").truth(0)["boxes3d"][:2], atol=1e-4, rtol=0
    )


def test_only_trained_classes_with_points_are_learned(good: Path) -> None:
    data = make(good, trained=["Cyclist"], augment=STILL)
    assert data.train_dataset is not None
    assert data.train_dataset[0]["target"]["labels"].tolist() == [2]
    data = make(good, min_points=10**4)
    assert data.train_dataset is not None
    target = data.train_dataset[0]["target"]
    assert target["boxes3d"].shape == (0, 7)
    assert target["labels"].dtype == torch.int64


def test_all_points_can_be_kept(good: Path) -> None:
    wide = (-100.0, -100.0, -10.0, 100.0, 100.0, 10.0)
    seen, whole = (make(good, "validate", in_view=on, point_range=wide) for on in (True, False))
    assert seen.val_dataset is not None
    assert whole.val_dataset is not None
    held = whole.val_dataset.example(0)  # type: ignore[attr-defined]
    assert torch.equal(whole.val_dataset[0]["points"], held.points)
    assert len(seen.val_dataset[0]["points"]) < len(held.points)
    assert held.truth["names"] == ["Car", "Cyclist", "Van", "DontCare"]
    assert held.camera_size.tolist() == [*SIZE]
    assert held.lidar_to_camera.shape == (4, 4)


def test_objects_may_be_all_around(root: Path) -> None:
    """Behind the camera, and without a 2-D box, which the camera alone would need."""
    label = root / "training" / "label_2" / "000000.txt"
    behind = "Car 0 0 0 0 0 0 0 1.5 1.6 3.9 0.2 0.75 -9 -1.6\n"
    label.write_text(label.read_text() + behind)
    with refuses(DataError, "000000.txt', line 5: the 2-D box of the Car is 0 0 0 0"):
        make(root)
    sweep = root / "training" / "velodyne" / "000000.bin"
    sweep.write_bytes(sweep.read_bytes() + np.float32([-8.7, -0.2, -0.1, 0.5]).tobytes())
    wide = (-40.0, -40.0, -5.0, 40.0, 40.0, 5.0)
    data = make(root, in_view=False, point_range=wide, augment=STILL)
    assert data.train_dataset is not None
    target = data.train_dataset[0]["target"]
    assert target["labels"].tolist() == [1, 2, 1]
    assert target["boxes3d"][2, 0].item() == pytest.approx(-9 + 0.27)


def test_the_same_seed_gives_the_same_samples(good: Path) -> None:
    first, second = (next(iter(make(good, batch_size=3).train_dataloader())) for _ in range(2))
    assert torch.equal(first["points"], second["points"])
    assert first["path"] == second["path"]


def test_lists_choose_the_sweeps(root: Path) -> None:
    (root / "ImageSets" / "own.txt").write_text("000004\n\n000000\n")
    data = make(root, train_split="trainval", val_split=str(root / "ImageSets" / "own.txt"))
    assert data.train_size == 5
    assert [Path(path).stem for path in data.val_dataset.paths] == ["000004", "000000"]  # type: ignore[union-attr]
    (root / "ImageSets" / "own.txt").write_text("000099\n")
    with refuses(DataError, "velodyne/000099.bin', which is listed"):
        make(root, val_split="own")


def test_sweeps_to_predict(root: Path, tmp_path: Path) -> None:
    data = make(root, "predict")
    assert data.predict_dataset is not None
    sample = data.predict_dataset[0]
    assert sample["path"] == str(root / "testing" / "velodyne" / "000000.bin")
    assert {"target", "truth"}.isdisjoint(sample)
    own = tmp_path / "own"
    for folder, file in (
        ("velodyne", "000000.bin"),
        ("calib", "000000.txt"),
        ("image_2", "000000.png"),
    ):
        name = {"velodyne": "frames"}.get(folder, folder)
        (own / name / "a").mkdir(parents=True)
        shutil.copy(root / "testing" / folder / file, own / name / "a" / f"1{Path(file).suffix}")
    found = make(root, "predict", predict_root=own / "frames").predict_dataset
    assert found.paths[0] == str(own / "frames" / "a" / "1.bin")  # type: ignore[union-attr]
    assert torch.equal(found[0]["points"], sample["points"])  # type: ignore[index]
    (own / "calib" / "a" / "1.txt").unlink()
    with refuses(DataError, "frames/a/1.bin", "calib/a/1.txt"):
        make(root, "predict", predict_root=own / "frames")
    shutil.rmtree(own / "image_2")
    with refuses(DataError, "no 'image_2'"):
        make(root, "predict", predict_root=own / "frames")
    shutil.rmtree(root / "testing")
    assert [Path(path).stem for path in make(root, "predict").predict_dataset.paths] == [  # type: ignore[union-attr]
        "000003",
        "000004",
    ]


def test_what_sweeps_hold_is_logged(good: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        data = make(good)
    assert any("train: 3 sweeps of" in line for line in caplog.messages)
    assert any("train: Car: 3 objects" in line for line in caplog.messages)
    assert data.summary()["train"]["classes"] == {"Pedestrian": 0, "Car": 3, "Cyclist": 3}


def test_points_in_another_frame_are_noticed(root: Path) -> None:
    """Here: x to the right and y forward, as in nuScenes."""
    for path in (root / "training" / "velodyne").iterdir():
        points = np.frombuffer(path.read_bytes(), "<f4").reshape(-1, 4)
        path.write_bytes(np.c_[-points[:, 1], points[:, 0], points[:, 2:]].astype("<f4").tobytes())
    (root / "ImageSets" / "train.txt").write_text("".join(f"{i:06d}\n" for i in (0, 1, 2, 3, 4)))
    options = {"in_view": False, "point_range": (-50, -50, -5, 50, 50, 5)}
    with refuses(DataError, "hardly hidden have a point", "another frame"):
        make(root, **options)


def test_calibrations_of_other_images_are_noticed(root: Path) -> None:
    for path in (root / "training" / "calib").iterdir():
        path.write_text(calibration(P2 * [[4], [4], [1]]))
    with refuses(DataError, "objects of the train split", "Calibrations of other sweeps"):
        make(root, train_split="trainval")


def test_wrong_sweeps_are_named(root: Path) -> None:
    first = root / "training" / "velodyne" / "000000.bin"
    first.write_bytes(first.read_bytes()[:-1])
    with refuses(ImageError, "000000.bin", "multiple of 16"):
        make(root)
    data = make(root, skip_bad_images=2)
    assert len(next(iter(data.train_dataloader()))["counts"]) == 2
    with refuses(ImageError, "none of its", "data.point_range=[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]"):
        make(root, train_split="val", point_range=(0, 0, 0, 1, 1, 1))
    shutil.rmtree(root / "training" / "velodyne")
    with refuses(DataError, "has no 'velodyne'", "ROOT/training"):
        make(root)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"trained": ["car"]}, "'car'; the classes of the dataset are Pedestrian, Car, Cyclist."),
        ({"numbers": 2}, "numbers=2"),
        ({"point_range": (0, 0, 0, 0, 1, 1)}, "point_range"),
    ],
)
def test_wrong_options_are_named(good: Path, options: dict[str, Any], part: str) -> None:
    with refuses(ConfigError, part):
        make(good, **options)
