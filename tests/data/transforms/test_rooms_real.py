"""The points of a photographed motorcycle, through a file and through voxels."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skimage")

from vision.data.formats.clouds import read_cloud
from vision.data.synthetic.motorcycle import read_motorcycle
from vision.data.transforms.clouds import Cloud
from vision.data.transforms.rooms import PointEvalTransform
from vision.ops.camera import back_project
from vision.ops.ply import write_ply


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pair = read_motorcycle()
    depth = pair.depth
    height, width = depth.shape
    camera = np.array([width, width, width / 2, height / 2])
    known = depth > 0
    points = back_project(depth, camera)[known][::7]
    points = points @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # z up
    label = (points[:, 2] > np.median(points[:, 2])).astype(int)
    return write_ply(
        tmp_path_factory.mktemp("real") / "a.ply", points, pair.left[known][::7], label
    )


def test_every_point_gets_the_label_of_its_voxel(path: Path) -> None:
    one = read_cloud(path)
    assert one.label is not None
    found = PointEvalTransform(voxel_size=0.05).change(one)
    assert found.voxel_of is not None
    assert 500 < len(found.coords) < len(one.points)
    places = (one.points.astype(np.float64) - one.points.min(axis=0)) / 0.05
    away = np.abs(places - found.coords.numpy()[found.voxel_of.numpy()])
    assert away.max() <= 1 + 1e-3  # within one voxel along each axis
    # A label for each voxel, given back to the points, is wrong only where a voxel has both.
    given = np.zeros(len(found.coords), int)
    given[found.voxel_of.numpy()] = one.label
    cells = found.voxel_of.numpy()
    share = np.bincount(cells, one.label) / np.bincount(cells)
    mixed = (share > 0) & (share < 1)
    assert ((given[cells] == one.label) | mixed[cells]).all()
    assert mixed.mean() < 0.1


def test_a_permutation_of_the_points_changes_nothing(path: Path) -> None:
    one = read_cloud(path)
    order = np.random.default_rng(0).permutation(len(one.points))
    transform = PointEvalTransform(voxel_size=0.05)
    first, other = transform.change(one), transform.change(one.take(order))
    assert first.coords.equal(other.coords)
    assert first.colors.equal(other.colors)
    assert first.voxel_of is not None
    assert other.voxel_of is not None
    assert first.voxel_of[order].equal(other.voxel_of)


def test_half_the_voxel_size_divides_each_voxel(path: Path) -> None:
    one = read_cloud(path)
    coarse, fine = (
        PointEvalTransform(voxel_size=size).change(Cloud(one.points)).voxel_of
        for size in (0.1, 0.05)
    )
    assert coarse is not None
    assert fine is not None
    pairs = np.unique(np.stack([fine.numpy(), coarse.numpy()]), axis=1)
    assert len(pairs[0]) == fine.max() + 1
