"""Collation of clouds of points to a batch."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from vision.contracts.points import PointBatch, PointSample

Each = Literal["coords", "colors", "normals", "label"]


def collate_points(samples: Sequence[PointSample]) -> PointBatch:
    """Make a batch of clouds, one after the other, without padding.

    Args:
        samples: Samples that all have a label, or all none, and likewise normals and `voxel_of`;
            of normals that some lack, the batch has none.

    Returns:
        The batch; `voxel_of` counts the rows of all clouds before.
    """
    counts = torch.tensor([len(sample["coords"]) for sample in samples])
    batch: PointBatch = {
        "coords": _joined(samples, "coords"),
        "colors": _joined(samples, "colors"),
        "counts": counts,
        "path": [sample["path"] for sample in samples],
        "room": [sample["room"] for sample in samples],
    }
    if all("normals" in sample for sample in samples):
        batch["normals"] = _joined(samples, "normals")
    if "label" in samples[0]:
        batch["label"] = _joined(samples, "label")
    if "voxel_of" in samples[0]:
        starts = (counts.cumsum(0) - counts).tolist()
        rows = [sample["voxel_of"] for sample in samples]
        batch["voxel_of"] = torch.cat(
            [row + start for row, start in zip(rows, starts, strict=True)]
        )
        batch["point_counts"] = torch.tensor([len(row) for row in rows])
    return batch


def _joined(samples: Sequence[PointSample], key: Each) -> Tensor:
    return torch.cat([sample[key] for sample in samples])
