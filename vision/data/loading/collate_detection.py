"""Collation of detection samples to a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.detection import PADDED_TO, DetectionBatch, DetectionSample, DetectionTarget
from vision.data.loading.collate import pad_images


def collate_detection(samples: Sequence[DetectionSample]) -> DetectionBatch:
    """Make a batch of images that may differ in size, and of their objects.

    Args:
        samples: Samples that all have a target, or all none.

    Returns:
        The batch. Images and masks are padded with zeros at the right and at the bottom, to the
        largest height and width rounded up to multiples of `PADDED_TO`.

    Raises:
        DataError: An image is not uint8 `(3, H, W)`.
    """
    images, size = pad_images([sample["image"] for sample in samples], divisor=PADDED_TO)
    batch: DetectionBatch = {
        "image": images,
        "size": size,
        "original_size": torch.stack([sample["original_size"] for sample in samples]),
        "image_id": torch.stack([sample["image_id"] for sample in samples]),
    }
    if "target" in samples[0]:
        height, width = images.shape[-2:]
        batch["target"] = [_on_canvas(sample["target"], height, width) for sample in samples]
    if "path" in samples[0]:
        batch["path"] = [sample["path"] for sample in samples]
    return batch


def _on_canvas(target: DetectionTarget, height: int, width: int) -> DetectionTarget:
    if "masks" not in target:
        return target
    return {**target, "masks": _pad(target["masks"], height, width)}


def _pad(masks: Tensor, height: int, width: int) -> Tensor:
    """Pad masks `(M, h, w)` to `(M, height, width)`."""
    if masks.shape[1:] == (height, width):
        return masks
    return F.pad(masks, (0, width - masks.shape[2], 0, height - masks.shape[1]))
