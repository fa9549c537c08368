"""Collation of segmentation samples to a batch."""

from collections.abc import Sequence
from typing import NotRequired

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.segmentation import IGNORED, SegmentationBatch, SegmentationSample
from vision.data.loading.collate import pad_images


class CanvasSample(SegmentationSample):
    """A training sample.

    Keys:
        canvas: Minimum height and width of its batch in pixels, the size of the crop.
    """

    canvas: NotRequired[tuple[int, int]]


def collate_segmentation(samples: Sequence[CanvasSample]) -> SegmentationBatch:
    """Make a batch of images that may differ in size, and of their masks.

    Images and masks are padded separately: in evaluation masks have the size of the file.

    Args:
        samples: Samples that all have a mask, or all none.

    Returns:
        The batch. At the right and at the bottom, images are padded with zeros and masks with
        `IGNORED`, to the largest height and width, and to the samples' canvas if they have one.

    Raises:
        DataError: An image is not uint8 `(3, H, W)`.
    """
    minimum = samples[0].get("canvas", (1, 1))
    images, size = pad_images([sample["image"] for sample in samples])
    batch: SegmentationBatch = {
        "image": _extend(images, minimum),
        "size": size,
        "original_size": torch.stack([sample["original_size"] for sample in samples]),
        "path": [sample["path"] for sample in samples],
    }
    if "mask" in samples[0]:
        batch["mask"] = _pad_masks([sample["mask"] for sample in samples], minimum)
    return batch


def _pad_masks(masks: Sequence[Tensor], minimum: tuple[int, int]) -> Tensor:
    height, width = (max(minimum[axis], *(mask.shape[axis] for mask in masks)) for axis in range(2))
    batch = torch.full((len(masks), height, width), IGNORED, dtype=torch.int64)
    for canvas, mask in zip(batch, masks, strict=True):
        canvas[: mask.shape[0], : mask.shape[1]] = mask
    return batch


def _extend(images: Tensor, minimum: tuple[int, int]) -> Tensor:
    """Pad images `(B, 3, h, w)` with zeros to a minimum height and width."""
    bottom, right = (max(0, minimum[axis] - images.shape[2 + axis]) for axis in range(2))
    return F.pad(images, (0, right, 0, bottom)) if bottom or right else images
