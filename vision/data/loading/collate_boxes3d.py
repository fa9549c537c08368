"""Collation of samples with boxes in space to a batch."""

from collections.abc import Sequence

import torch

from vision.contracts.detection3d import Boxes3DBatch, Boxes3DSample
from vision.data.loading.collate import pad_images


def collate_boxes3d(samples: Sequence[Boxes3DSample]) -> Boxes3DBatch:
    """Make a batch of images with their cameras and objects.

    Args:
        samples: Samples that all have a `target`, or all none; likewise a `truth`.

    Returns:
        The batch. Images that differ in size are padded with zeros at the right and at the bottom.

    Raises:
        DataError: An image is not uint8 `(3, H, W)`.
    """
    images, size = pad_images([sample["image"] for sample in samples])
    batch: Boxes3DBatch = {
        "image": images,
        "size": size,
        "original_size": torch.stack([sample["original_size"] for sample in samples]),
        "path": [sample["path"] for sample in samples],
        "camera": torch.stack([sample["camera"] for sample in samples]),
        "camera_size": torch.stack([sample["camera_size"] for sample in samples]),
    }
    if "target" in samples[0]:
        batch["target"] = [sample["target"] for sample in samples]
    if "truth" in samples[0]:
        batch["truth"] = [sample["truth"] for sample in samples]
    return batch
