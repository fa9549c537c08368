"""Collation of samples with a depth or a normal for each pixel to a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from vision.contracts.depth import NO_READING
from vision.data.loading.collate import extend_images, pad_images, pad_masks

# Value of the padding of each map.
FILL = {"depth": NO_READING, "normals": 0.0}


def collate_dense(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch of images that may differ in size, and of their depth or normals.

    Images and maps are padded separately: in evaluation maps have the size of the file.

    Args:
        samples: `DepthSample` or `NormalsSample`, which all have the same keys, but for the camera;
            and maybe a `canvas`, the minimum height and width of the batch in pixels.

    Returns:
        A `DepthBatch` or `NormalsBatch`. At the right and at the bottom, images are padded with
        zeros, depth with `NO_READING` and normals with zero, to the largest height and width, and
        to the canvas if there is one.

    Raises:
        DataError: An image is not uint8 `(3, H, W)`.
    """
    minimum = samples[0].get("canvas", (1, 1))
    images, size = pad_images([sample["image"] for sample in samples])
    batch: dict[str, Any] = {
        "image": extend_images(images, minimum),
        "size": size,
        "original_size": torch.stack([sample["original_size"] for sample in samples]),
        "path": [sample["path"] for sample in samples],
    }
    for name, fill in FILL.items():
        if name in samples[0]:
            maps = [sample[name] for sample in samples]
            batch[name] = pad_masks(maps, minimum, fill, torch.float32)
    if all("camera" in sample for sample in samples):
        batch["camera"] = torch.stack([sample["camera"] for sample in samples])
    return batch
