"""Collation of volumes to a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vision.contracts.volumes import IGNORED, VolumeBatch, VolumeSample


def collate_volumes(samples: Sequence[VolumeSample]) -> VolumeBatch:
    """Make a batch of volumes that may differ in size, and of their masks.

    Volumes and masks are padded separately: in evaluation masks have the cells of the original
    volumes.

    Args:
        samples: Samples that all have a mask, or all none.

    Returns:
        The batch. At the end of each axis, volumes are padded with 0 and masks with `IGNORED`, to
        the largest number of cells.
    """
    batch: VolumeBatch = {
        "volume": pad_volumes([sample["volume"] for sample in samples], 0),
        "size": torch.tensor([sample["volume"].shape[1:] for sample in samples]),
        "affine": torch.stack([sample["affine"] for sample in samples]),
        "original_size": torch.stack([sample["original_size"] for sample in samples]),
        "original_affine": torch.stack([sample["original_affine"] for sample in samples]),
        "subject": [sample["subject"] for sample in samples],
        "path": [sample["path"] for sample in samples],
    }
    if "mask" in samples[0]:
        batch["mask"] = pad_volumes([sample["mask"] for sample in samples], IGNORED)
    return batch


def pad_volumes(volumes: Sequence[Tensor], fill: float) -> Tensor:
    """Stack volumes `(..., D, H, W)` of different sizes, padded at the end of the last three axes.

    Args:
        volumes: Of one type and equal other axes.
        fill: Value of the padding.

    Returns:
        `(B, ..., D, H, W)` of the largest size along each axis.
    """
    size = torch.tensor([volume.shape[-3:] for volume in volumes]).amax(dim=0).tolist()
    batch = volumes[0].new_full((len(volumes), *volumes[0].shape[:-3], *size), fill)
    for canvas, volume in zip(batch, volumes, strict=True):
        depth, height, width = volume.shape[-3:]
        canvas[..., :depth, :height, :width] = volume
    return batch
