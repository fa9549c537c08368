"""Batches of clouds stand one after another, and their rows are counted through."""

import torch

from vision.contracts.points import PointSample
from vision.data.loading.collate_points import collate_points


def sample(voxels: int, points: int, *, normals: bool = True) -> PointSample:
    made: PointSample = {
        "coords": torch.rand(voxels, 3),
        "colors": torch.randint(0, 256, (voxels, 3), dtype=torch.uint8),
        "label": torch.randint(0, 5, (points,)),
        "voxel_of": torch.randint(0, voxels, (points,)),
        "path": f"{voxels}.ply",
        "room": str(voxels),
    }
    return {**made, "normals": torch.rand(voxels, 3)} if normals else made


def test_each_point_keeps_its_voxel() -> None:
    samples = [sample(4, 9), sample(1, 3), sample(6, 6)]
    batch = collate_points(samples)
    assert batch["counts"].tolist() == [4, 1, 6]
    assert batch["point_counts"].tolist() == [9, 3, 6]
    assert batch["room"] == ["4", "1", "6"]
    own = batch["coords"][batch["voxel_of"]].split([9, 3, 6])
    for one, places in zip(samples, own, strict=True):
        assert torch.equal(places, one["coords"][one["voxel_of"]])
    for key in ("coords", "colors", "normals", "label"):
        assert torch.equal(batch[key], torch.cat([one[key] for one in samples]))


def test_keys_that_are_absent_stay_so() -> None:
    samples = [sample(4, 4), sample(2, 2, normals=False)]
    for one in samples:
        del one["label"], one["voxel_of"]
    assert {*collate_points(samples)} == {"coords", "colors", "counts", "path", "room"}
