"""Collation of panoptic samples to a batch."""

from collections.abc import Sequence

import torch

from vision.contracts.panoptic import PanopticBatch, PanopticSample
from vision.contracts.segments import VOID
from vision.data.loading.collate import extend_images, pad_images, pad_masks


def collate_panoptic(samples: Sequence[PanopticSample]) -> PanopticBatch:
    """Make a batch of images that may differ in size, and of their segments.

    Images and masks are padded separately: in evaluation masks have the size of the file.

    Args:
        samples: Samples that all have segments, or all none.

    Returns:
        The batch. At the right and at the bottom, images are padded with zeros to the largest
        height and width, and to the samples' canvas if they have one; masks are padded with `VOID`,
        in training to the size of the images.

    Raises:
        DataError: An image is not uint8 `(3, H, W)`.
    """
    images, size = pad_images([sample["image"] for sample in samples])
    batch: PanopticBatch = {
        "image": images,
        "size": size,
        "original_size": torch.stack([sample["original_size"] for sample in samples]),
        "path": [sample["path"] for sample in samples],
    }
    if "canvas" in samples[0]:
        batch["canvas"] = torch.stack([sample["canvas"] for sample in samples])
        height, width = batch["canvas"].amax(dim=0).tolist()
        batch["image"] = extend_images(images, (height, width))
    if "mask" in samples[0]:
        minimum = batch["image"].shape[2:] if _is_aligned(samples) else (1, 1)
        masks = [sample["mask"] for sample in samples]
        batch["mask"] = pad_masks(masks, minimum, VOID, torch.int32)
        batch["segments"] = [sample["segments"] for sample in samples]
    return batch


def _is_aligned(samples: Sequence[PanopticSample]) -> bool:
    """Whether masks are those of the images' pixels, as in training."""
    return all(sample["mask"].shape == sample["image"].shape[1:] for sample in samples)
