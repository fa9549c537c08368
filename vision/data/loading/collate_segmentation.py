"""Collation of segmentation samples to a batch."""

from collections.abc import Sequence
from typing import NotRequired

import torch

from vision.contracts.segmentation import IGNORED, SegmentationBatch, SegmentationSample
from vision.data.loading.collate import extend_images, pad_images, pad_masks


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
        "image": extend_images(images, minimum),
        "size": size,
        "original_size": torch.stack([sample["original_size"] for sample in samples]),
        "path": [sample["path"] for sample in samples],
    }
    if "mask" in samples[0]:
        batch["mask"] = pad_masks(
            [sample["mask"] for sample in samples], minimum, IGNORED, torch.int64
        )
    return batch
