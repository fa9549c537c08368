"""The composed KITTI: lists, calibration and sparse depth lead back to the rooms."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.data.synthetic.kitti_depth import LISTS, write_kitti_depth
from vision.data.synthetic.space_render import view
from vision.data.synthetic.space_splits import RoomSamples, compose_rooms
from vision.ops.depth_maps import read_depth

SAMPLES = RoomSamples(train=3, val=2, size=96, seed=8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kitti") / "samples"
    assert write_kitti_depth(folder, SAMPLES) == {"train": (3, 3), "val": (2, 2)}
    return folder


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_lists_lead_to_images_and_sparse_depth(root: Path, split: str) -> None:
    lines = (root / LISTS[split]).read_text().splitlines()
    for line, room in zip(lines, compose_rooms(SAMPLES, split), strict=True):
        image, depth, focal = line.split(" ")
        with Image.open(root / image) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (96, 72))
        stored = read_depth(root / "data_depth_annotated" / split / depth, 256.0)
        seen, read = view(room.world).depth, stored > 0
        assert np.abs(stored[read] - seen[read]).max() <= 0.5 / 256 + 1e-6
        assert 0.2 < read.mean() < 0.35
        assert not read[:20].any()
        assert float(focal) == pytest.approx(room.world.camera.focal_px, abs=1e-3)


def test_the_calibration_of_each_date_is_that_of_its_camera(root: Path) -> None:
    lines = (root / LISTS["train"]).read_text().splitlines()
    for line, room in zip(lines, compose_rooms(SAMPLES, "train"), strict=True):
        text = (root / line.split("/")[0] / "calib_cam_to_cam.txt").read_text()
        rows = dict(row.split(": ", 1) for row in text.splitlines())
        matrix = np.array(rows["P_rect_02"].split(), float).reshape(3, 4)
        points = np.array([[0.3, -0.2, 2.0], [-1.0, 0.5, 4.0]])
        places = points @ matrix[:, :3].T
        expected = room.world.camera.project(points)
        np.testing.assert_allclose(places[:, :2] / places[:, 2:], expected, rtol=1e-5)
        assert rows["S_rect_02"].split() == ["9.600000e+01", "7.200000e+01"]


def test_validation_has_drives_of_its_own(root: Path) -> None:
    folders = [
        {path.name for path in (root / "data_depth_annotated" / split).iterdir()}
        for split in ("train", "val")
    ]
    assert [len(names) for names in folders] == [3, 2]
    assert not folders[0] & folders[1]
