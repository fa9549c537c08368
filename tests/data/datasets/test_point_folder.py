"""Clouds of one's own: folders, lists, labels beside, values of classes, units."""

from pathlib import Path
from typing import Any

import numpy as np
from helpers.refusals import refuses
from helpers.tiny_points import room, write_point_folder

from vision.contracts.points import IGNORED
from vision.data import PointFolder
from vision.errors import ConfigError, DataError, ImageError

CLASSES = ("a", "b", "c", "d")


def folder(root: Path, **options: Any) -> PointFolder:
    given = {"classes": CLASSES, "num_workers": 0, "voxel_size": 0.2}
    return PointFolder(root=root, **{**given, **options})


def test_folders_of_files(tmp_path: Path) -> None:
    one = folder(write_point_folder(tmp_path))
    for stage in ("fit", "test", "predict"):
        one.setup(stage)
    assert [*one.index("train").rooms] == ["0", "1", "2"]
    np.testing.assert_array_equal(one.test_dataset[1]["label"], room(4)[:, 6])
    assert "label" not in one.predict_dataset[0]
    batch = next(iter(one.val_dataloader()))
    assert batch["label"].shape == (600,)
    assert batch["voxel_of"].max() == batch["counts"].sum() - 1


def test_lists_name_files_anywhere(tmp_path: Path) -> None:
    root = write_point_folder(tmp_path)
    (root / "train.txt").write_text("train/2.ply\nval/0.npy\n")
    (root / "new.txt").write_text("train/1.ply\n")
    (root / "held.txt").write_text("train/1.ply\n")
    one = folder(root, train="train.txt", val="held", predict="new.txt")
    assert [room.name for room in one.find_rooms("train")] == ["train/2", "val/0"]
    one.setup("fit")
    assert one.val_dataset[0]["room"] == "train/1"
    assert one.predict_split == "predict"
    (root / "held.txt").write_text("train/9.ply\n")
    with refuses(DataError, "held.txt", "'train/9.ply'"):
        folder(root, val="held.txt").setup("validate")


def test_labels_may_lie_beside(tmp_path: Path) -> None:
    root = write_point_folder(tmp_path)
    np.save(root / "val" / "0.labels.npy", np.full(300, 2))
    with refuses(DataError, "val/1.npy' has no file of labels", "1.labels.npy"):
        folder(root).setup("validate")
    np.save(root / "val" / "1.labels.npy", np.full(299, 2))
    with refuses(ImageError, "1.labels.npy", "(299,)", "300 points"):
        folder(root).setup("validate")
    np.save(root / "val" / "1.labels.npy", np.full(300, -1))
    one = folder(root)
    one.setup("validate")
    assert one.val_dataset[0]["label"].unique().tolist() == [2]
    assert one.val_dataset[1]["label"].unique().tolist() == [IGNORED]


def test_values_of_classes(tmp_path: Path) -> None:
    one = folder(
        write_point_folder(tmp_path), classes=("late", "early"), label_values=(3, 0), ignored=(1, 2)
    )
    one.setup("validate")
    truth = np.array([1, IGNORED, IGNORED, 0])[room(3)[:, 6].astype(int)]
    np.testing.assert_array_equal(one.val_dataset[0]["label"], truth)
    with refuses(ImageError, "labels of", "first point", "3 (late), 0 (early); ignored 1"):
        folder(tmp_path, classes=("late", "early"), label_values=(3, 0), ignored=(1,)).setup("fit")
    with refuses(ConfigError, "2 classes", "3 values"):
        folder(tmp_path, classes=("a", "b"), label_values=(0, 1, 2))
    with refuses(ConfigError, "the same name 'a'"):
        folder(tmp_path, classes=("a", "a"))
    with refuses(DataError, "every point", "is ignored"):
        folder(tmp_path, classes=("a",), label_values=(9,), ignored=(0, 1, 2, 3)).setup("fit")


def test_other_units_and_ranges_are_options(tmp_path: Path) -> None:
    rows = room(5)
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        scale = [1000, 1000, 1000, 1 / 255, 1 / 255, 1 / 255, 1]
        np.save(tmp_path / split / "a.npy", rows * scale)
    with refuses(ImageError, "a.npy", "data.full_color=1"):
        folder(tmp_path).setup("fit")
    with refuses(ImageError, "a.npy", "data.unit_m=0.001"):
        folder(tmp_path, full_color=1).setup("fit")
    one = folder(tmp_path, full_color=1, unit_m=0.001)
    one.setup("fit")
    example = one.val_dataset.example(0)
    np.testing.assert_allclose(example["points"], rows[:, :3], atol=1e-9)
    np.testing.assert_array_equal(example["colors"], rows[:, 3:6])
    with refuses(ConfigError, "unit_m"):
        folder(tmp_path, unit_m=0)
    with refuses(ConfigError, "full_color=100"):
        folder(tmp_path, full_color=100)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    root = write_point_folder(tmp_path)
    np.save(root / "val" / "0.npy", room(0))
    (root / "val" / "0.ply").write_bytes((root / "train" / "0.ply").read_bytes())
    with refuses(DataError, "'0'", "one name"):
        folder(root).setup("validate")
    with refuses(DataError, "nothing", "ROOT/train"):
        folder(root, val="nothing").setup("validate")
