"""KITTI's objects: layout, cameras, what is learned, what is evaluated, what is predicted."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_kitti import CAR, OPTIONS, P2, SIZE, calibration, write_kitti_objects

from vision.data import KITTI, Boxes3DAugment, LearnedObjects
from vision.errors import ConfigError, DataError, ImageError


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kitti_objects(tmp_path_factory.mktemp("kitti"))


@pytest.fixture
def root(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "kitti"))


def make(root: Path, stage: str = "fit", **options: Any) -> KITTI:
    data = KITTI(root=root, **{**OPTIONS, "num_workers": 0, "batch_size": 2, **options})
    data.setup(stage)
    return data


def test_evaluation_has_every_line_of_a_label(good: Path) -> None:
    data = make(good, "validate")
    assert data.class_names == ("Pedestrian", "Car", "Cyclist")
    assert data.val_dataset is not None
    sample = data.val_dataset[1]
    assert sample["path"] == str(good / "training" / "image_2" / "000004.png")
    assert sample["image"].shape == (3, 32, 96)
    assert sample["original_size"].tolist() == sample["camera_size"].tolist() == [*SIZE]
    np.testing.assert_allclose(sample["camera"], P2, rtol=1e-6)
    truth = sample["truth"]
    assert "target" not in sample
    assert truth["names"] == ["Car", "Cyclist", "Van", "DontCare"]
    assert truth["labels"].tolist() == [1, 2, -1, -1]
    # The middle of the bottom is half a height lower than the centre.
    height, width, length, x, y, _, yaw = CAR
    expected = [x, y - height / 2, 5.8, length, height, width, yaw]
    np.testing.assert_allclose(truth["boxes3d"][0], expected, rtol=1e-5)
    assert truth["alpha"][0] == pytest.approx(yaw - math.atan2(x, 5.8), abs=1e-4)
    assert truth["boxes"][3].tolist() == [10, 5, 20, 9]
    assert truth["truncation"][3] == truth["occlusion"][3] == -1
    assert {key: value.dtype for key, value in truth.items() if key != "names"} == {
        **dict.fromkeys(("boxes3d", "boxes", "alpha", "truncation"), torch.float32),
        **dict.fromkeys(("labels", "occlusion"), torch.int64),
    }
    original, camera, annotated = data.val_dataset.example(1)  # type: ignore[attr-defined]
    assert original.shape == (3, *SIZE)
    assert torch.equal(camera, sample["camera"])
    assert annotated["names"] == truth["names"]
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (2, 3, 32, 96)
    assert [len(one["names"]) for one in batch["truth"]] == [4, 4]


@pytest.mark.parametrize(
    ("trained", "labels"), [(("Car",), [1]), (("Cyclist", "Car"), [1, 2]), (None, [1, 2])]
)
def test_only_trained_classes_are_learned(
    good: Path, trained: tuple[str, ...] | None, labels: list[int]
) -> None:
    still = Boxes3DAugment(hflip=0, crop=0, photometric=False)
    data = make(good, trained=trained, augment=still)
    assert data.train_dataset is not None
    sample = data.train_dataset[0]
    assert sample["target"]["labels"].tolist() == labels
    assert sample["target"]["depth_m"][0] == pytest.approx(5.4)
    assert "truth" not in sample
    assert data.trained_names == tuple(data.class_names[label] for label in labels) or not trained
    # All of evaluation's lines stay.
    assert data.val_dataset is not None
    assert data.val_dataset[0]["truth"]["labels"].tolist() == [1, 2, -1, -1]


def test_what_is_learned_depends_on_the_limits(good: Path) -> None:
    still = Boxes3DAugment(hflip=0, crop=0, photometric=False, geometry="consistent")
    data = make(good, objects=LearnedObjects(depth=(2, 5.55)), augment=still)
    assert data.train_dataset is not None
    counts = [len(sample["target"]["labels"]) for sample in data.train_dataset]  # type: ignore[attr-defined]
    assert counts == [1, 1, 0]
    sample = data.train_dataset[0]
    # The camera is that of the input: 96 of 124 columns, two rows more than 38 / 124 of them.
    scale = 96 / 124
    np.testing.assert_allclose(sample["camera"][0, :3], [72 * scale, 0, 61 * scale], rtol=1e-6)
    assert sample["camera_size"].tolist() == [32, 96]
    with refuses(DataError, "no Car of the train split", "depth 2 to 3 m", "Widen"):
        make(good, objects=LearnedObjects(depth=(2, 3)))


def test_lists_choose_the_images(root: Path) -> None:
    (root / "ImageSets" / "own.txt").write_text("000004\n\n000000\n")
    data = make(root, train_split="trainval", val_split=str(root / "ImageSets" / "own.txt"))
    assert data.train_size == 5
    assert [Path(path).stem for path in data.val_dataset.paths] == ["000004", "000000"]  # type: ignore[union-attr]
    for content, part in {
        "000004\n000004\n": "'000004' twice, in entries 1 and 2",
        "000004 a\n": "entry 1, is '000004 a'",
        "../x\n": "entry 1",
        "": "is empty",
        "000099\n": "image_2/000099.png', which is listed",
    }.items():
        (root / "ImageSets" / "own.txt").write_text(content)
        with refuses(DataError, part):
            make(root, val_split="own")
    with refuses(DataError, "ImageSets/other.txt"):
        make(root, train_split="other")


def test_images_to_predict(root: Path, tmp_path: Path) -> None:
    data = make(root, "predict")
    assert data.predict_dataset is not None
    sample = data.predict_dataset[0]
    assert sample["path"] == str(root / "testing" / "image_2" / "000000.png")
    assert {"target", "truth"}.isdisjoint(sample)
    np.testing.assert_allclose(sample["camera"], P2, rtol=1e-6)
    own = tmp_path / "own"
    (own / "frames" / "a").mkdir(parents=True)
    (own / "calib" / "a").mkdir(parents=True)
    shutil.copy(sample["path"], own / "frames" / "a" / "1.png")
    (own / "calib" / "a" / "1.txt").write_text("70 70 60 17")
    sample = make(root, "predict", predict_root=own / "frames").predict_dataset[0]  # type: ignore[index]
    assert sample["camera"][0].tolist() == [70, 0, 60, 0]
    (own / "calib" / "a" / "1.txt").unlink()
    with refuses(DataError, "frames/a/1.png", "calib/a/1.txt"):
        make(root, "predict", predict_root=own / "frames")
    shutil.rmtree(root / "testing")
    found = make(root, "predict").predict_dataset
    assert [Path(path).stem for path in found.paths] == ["000003", "000004"]  # type: ignore[union-attr]


def test_calibrations_of_other_images_are_noticed(root: Path) -> None:
    """Here: of images four times as wide."""
    for path in (root / "training" / "calib").iterdir():
        path.write_text(calibration(P2 * [[4], [4], [1]]))
    with refuses(DataError, "centres of only 0 of 10 objects of the train split", "Calibrations"):
        make(root, train_split="trainval")


def test_what_is_absent_is_named(root: Path) -> None:
    label = root / "training" / "label_2" / "000001.txt"
    label.write_text(f"{label.read_text().splitlines()[2]}\n")
    (root / "training" / "label_2" / "000000.txt").write_text("")
    (root / "ImageSets" / "one.txt").write_text("000000\n000001\n")
    with refuses(DataError, "2 images of the train split have no Car, but Van", "data.trained"):
        make(root, train_split="one")
    (root / "training" / "image_2" / "000004.png").write_bytes(b"")
    data = make(root, "validate")
    with refuses(ImageError, "000004.png' is empty"):
        data.val_dataset[1]  # type: ignore[index]
    shutil.rmtree(root / "training" / "calib")
    with refuses(DataError, "has no 'calib'", "ROOT/training"):
        make(root, "validate")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"trained": ["car"]}, "'car'; the classes of the dataset are Pedestrian, Car, Cyclist."),
        ({"trained": []}, "no class"),
        ({"image_size": (0, 5)}, "image_size=(0, 5)"),
    ],
)
def test_wrong_options_are_named(good: Path, options: dict[str, Any], part: str) -> None:
    with refuses(ConfigError, part):
        make(good, **options)
