"""The database of KITTI's objects: cropped by the command, pasted in training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_sweeps import POINTS_ON_EACH, RANGE, boxes_in_sweep, write_kitti_sweeps

from vision.cli.commands.prepare_kitti_database import main
from vision.data import KITTILidar, LidarAugment, ObjectPasting
from vision.data.formats.object_database import read_database
from vision.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kitti_sweeps(tmp_path_factory.mktemp("kitti"))


def test_objects_are_cropped_and_pasted(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "objects"
    assert main(["--root", str(root), "--out", str(out), "--split", "trainval"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{out}: 10 objects (Pedestrian 0, Car 5, Cyclist 5)"
    )
    found = read_database(out, numbers=4)
    expected = [boxes_in_sweep(root / "training", f"{i:06d}")[:2].numpy() for i in range(5)]
    np.testing.assert_allclose(found.boxes3d, np.concatenate(expected), atol=1e-9)
    assert (found.counts >= 0.9 * POINTS_ON_EACH).all()
    assert main(["--root", str(root), "--out", str(tmp_path / "all"), "--all-around"]) == 0
    assert (read_database(tmp_path / "all", numbers=4).counts >= POINTS_ON_EACH).all()
    again = tmp_path / "again"
    assert main(["--root", str(root), "--out", str(again), "--split", "trainval"]) == 0
    for name in ("objects.json", "points.npy"):
        assert (out / name).read_bytes() == (again / name).read_bytes()

    # The cars of the other sweeps stand where those of a sweep stand; its own are there already.
    paste = ObjectPasting(str(out), counts={"Car": 3, "Cyclist": 0})
    still = LidarAugment(mirror=(0, 0), rotation=0, scale=(1, 1))
    data = KITTILidar(root=root, point_range=RANGE, num_workers=0, paste=paste, augment=still)
    data.setup("fit")
    torch.manual_seed(0)
    target = data.train_dataset[0]["target"]  # type: ignore[index]
    assert (target["labels"] == 1).sum() == 1  # the others overlap
    far = found.boxes3d.copy()
    far[:, 1] += 8
    assert data.train_transform.paster is not None
    data.train_transform.paster.database = type(found)(
        **{**vars(found), "boxes3d": far, "points": found.points + np.float32([0, 8, 0, 0])}
    )
    labels = data.train_dataset[0]["target"]["labels"].tolist()  # type: ignore[index]
    assert labels == [1, 2, 1]  # of those far ones the first alone has room


def test_what_is_wrong_is_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "objects"
    words = ["--root", str(root), "--out", str(out)]
    assert main([*words, "--min-points", "999"]) == 2
    assert "has enough points" in capsys.readouterr().err
    assert not out.exists()
    assert main([*words, "--split", "nothing"]) == 2
    assert "nothing.txt" in capsys.readouterr().err
    assert main([*words, "--min-points", "0"]) == 2
    data = KITTILidar(root=root, num_workers=0, paste=ObjectPasting(str(out)))
    with pytest.raises(DataError, match="no database of objects"):
        data.setup("fit")
    assert main(words) == 0
    paste = ObjectPasting(str(out), counts={"car": 3})
    data = KITTILidar(root=root, point_range=RANGE, num_workers=0, paste=paste)
    with pytest.raises(ConfigError, match="'car'"):
        data.setup("fit")
