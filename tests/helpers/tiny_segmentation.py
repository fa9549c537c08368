"""A small model and small batches of random masks, for the tests of semantic segmentation."""

from typing import Any

import torch
from helpers.tiny_models import TINY

from vision.contracts.segmentation import IGNORED, SegmentationBatch
from vision.tasks.segmentation import Segmentation

CLASSES = 4
# Options that make each model small.
SMALL: dict[str, dict[str, Any]] = {
    "upernet": {"head_options": {"channels": 16}, "auxiliary_options": {"channels": 8}},
    "semantic_fpn": {"head_options": {"channels": 16}, "neck_options": {"out_channels": 16}},
    "segformer": {"head_options": {"channels": 16}},
}


def tiny_segmentor(
    family: str = "convnext", segmentor: str = "upernet", **more: Any
) -> Segmentation:
    """A model of four classes with the same weights every time."""
    torch.manual_seed(0)
    name, options = TINY[family]
    settings: dict[str, Any] = {
        "num_classes": CLASSES,
        "segmentor": segmentor,
        "backbone_options": options,
        **SMALL.get(segmentor, {}),
    }
    return Segmentation(name, **{**settings, **more})


def random_batch(
    size: tuple[int, int] = (64, 96), *, valid: tuple[tuple[int, int], ...] | None = None
) -> SegmentationBatch:
    """A training batch of two normalised images, whose masks are padded beyond the valid part."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor(valid or [size, (size[0] - 7, size[1] - 13)])
    masks = torch.randint(0, CLASSES, (2, *size), generator=generator)
    for mask, (height, width) in zip(masks, sizes.tolist(), strict=True):
        mask[height:], mask[:, width:] = IGNORED, IGNORED
    return {
        "image": torch.randn(2, 3, *size, generator=generator),
        "size": sizes,
        "original_size": sizes,
        "path": ["a.jpg", "b.jpg"],
        "mask": masks,
    }
