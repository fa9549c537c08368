"""Collation of sweeps of a lidar to a batch."""

from collections.abc import Sequence

import torch

from vision.contracts.lidar import LidarBatch, LidarSample


def collate_lidar(samples: Sequence[LidarSample]) -> LidarBatch:
    """Make a batch of sweeps, one after another.

    Args:
        samples: Samples that all have a `target`, or all none; likewise a `truth`.
    """
    batch: LidarBatch = {
        "points": torch.cat([sample["points"] for sample in samples]),
        "counts": torch.tensor([len(sample["points"]) for sample in samples]),
        "lidar_to_camera": torch.stack([sample["lidar_to_camera"] for sample in samples]),
        "camera": torch.stack([sample["camera"] for sample in samples]),
        "camera_size": torch.stack([sample["camera_size"] for sample in samples]),
        "path": [sample["path"] for sample in samples],
    }
    if "target" in samples[0]:
        batch["target"] = [sample["target"] for sample in samples]
    if "truth" in samples[0]:
        batch["truth"] = [sample["truth"] for sample in samples]
    return batch
