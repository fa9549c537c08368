"""ScanNet: its lists, its 20 classes of 40, its test scenes."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_points import room, write_scannet

from vision.contracts.points import IGNORED
from vision.data import ScanNet
from vision.data.datasets.scannet import CLASSES
from vision.errors import DataError


def test_scenes_are_those_of_the_lists(tmp_path: Path) -> None:
    one = ScanNet(root=write_scannet(tmp_path, test=1), num_workers=0, voxel_size=0.2)
    for stage in ("fit", "test", "predict"):
        one.setup(stage)
    assert len(one.train_dataset) == 3
    assert one.test_dataset[0]["room"] == one.val_dataset[0]["room"] == "scene0003_00"
    assert one.predict_dataset[0]["room"] == "scene0004_00"
    assert "label" not in one.predict_dataset[0]
    assert len(one.class_names) == len({*CLASSES.values()}) == 20
    # Normals of the mesh, in the batch too.
    assert one.val_dataset[0]["normals"].norm(dim=1).numpy() == pytest.approx(1, abs=1e-5)
    assert next(iter(one.train_dataloader()))["normals"].shape[1] == 3
    # NYU's classes 1, 2 and 39, and 0, which is none.
    truth = np.array([0, 1, 19, IGNORED])[room(3)[:, 6].astype(int)]
    np.testing.assert_array_equal(one.val_dataset[0]["label"], truth)


def test_without_test_scenes_the_validation_set_is_predicted(tmp_path: Path) -> None:
    one = ScanNet(root=write_scannet(tmp_path), num_workers=0, voxel_size=0.2)
    one.setup("predict")
    assert one.predict_dataset[0]["room"] == "scene0003_00"
    (tmp_path / "scannetv2_train.txt").unlink()
    with refuses(DataError, "scannetv2_train.txt"):
        one.setup("fit")
