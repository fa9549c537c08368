"""Batches of sweeps: one after another, without padding."""

import torch

from vision.contracts.lidar import LidarSample
from vision.data.loading.collate_lidar import collate_lidar


def sample(count: int, **more: object) -> LidarSample:
    return {
        "points": torch.full((count, 4), float(count)),
        "lidar_to_camera": torch.eye(4) * count,
        "camera": torch.ones(3, 4),
        "camera_size": torch.tensor([40, 120]),
        "path": f"{count}.bin",
        **more,
    }  # type: ignore[typeddict-item]


def test_points_stand_one_after_another() -> None:
    target = {"boxes3d": torch.zeros(2, 7), "labels": torch.zeros(2, dtype=torch.int64)}
    batch = collate_lidar([sample(3, target=target), sample(5, target=target)])
    assert batch["points"][:, 0].tolist() == [3] * 3 + [5] * 5
    assert batch["counts"].tolist() == [3, 5]
    assert batch["counts"].dtype == torch.int64
    assert batch["lidar_to_camera"].shape == (2, 4, 4)
    assert batch["camera_size"].tolist() == [[40, 120]] * 2
    assert batch["path"] == ["3.bin", "5.bin"]
    assert len(batch["target"]) == 2
    assert "truth" not in batch
    assert {"target", "truth"}.isdisjoint(collate_lidar([sample(1)]))
