"""A small detector and small batches of random objects, for the tests of detection."""

from typing import Any

import torch
from helpers import tiny_dino
from helpers.tiny_models import TINY
from torch import Tensor

from vision.contracts.detection import DetectionBatch, DetectionTarget
from vision.tasks.detection import Detection

RPN = {"channels": 16, "post_nms_topk_train": 50, "post_nms_topk_test": 50}
# Options that make each detector small.
SMALL: dict[str, dict[str, Any]] = {
    **{
        name: {"channels": 16, "fc_dim": 32, "batch_size_per_image": 32, "rpn": {**RPN}}
        for name in ("faster_rcnn", "mask_rcnn", "cascade_mask_rcnn")
    },
    "retinanet": {"channels": 16, "num_convs": 1},
    "fcos": {"channels": 16, "num_convs": 1, "num_groups": 4},
    "dino": tiny_dino.SMALL,
    "mask_dino": tiny_dino.SMALL,
}
# The neck of DINO only completes the pyramid.
NECKS: dict[str, dict[str, Any]] = {"dino": {}, "mask_dino": {}}


def tiny_detector(family: str = "convnext", detector: str = "mask_rcnn", **more: Any) -> Detection:
    """A detector of three classes with the same weights every time."""
    torch.manual_seed(0)
    name, options = TINY[family]
    head = {**SMALL[detector], **more.pop("head_options", {})}
    settings: dict[str, Any] = {
        "num_classes": 3,
        "detector": detector,
        "backbone_options": options,
        "neck_options": NECKS.get(detector, {"out_channels": 16}),
        "head_options": head,
    }
    return Detection(name, **{**settings, **more})


def random_target(count: int, image_id: int, size: tuple[int, int]) -> DetectionTarget:
    """Objects that are boxes of their rectangular masks; the last of three or more is a crowd."""
    generator = torch.Generator().manual_seed(image_id)
    height, width = size
    start = torch.rand(count, 2, generator=generator) * 0.5
    end = start + 0.2 + torch.rand(count, 2, generator=generator) * 0.3
    scale = torch.tensor([width, height, width, height])
    boxes = (torch.cat([start, end], dim=1) * scale).round()
    x1, y1, x2, y2 = boxes[:, :, None, None].unbind(dim=1)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    crowd = torch.zeros(count, dtype=torch.bool)
    crowd[2:] = True
    return {
        "boxes": boxes,
        "labels": torch.randint(0, 3, (count,), generator=generator),
        "iscrowd": crowd,
        "area": (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        "image_id": torch.tensor(image_id),
        "masks": (x >= x1) & (x < x2) & (y >= y1) & (y < y2),
    }


def random_batch(
    counts: tuple[int, ...] = (3, 0), size: tuple[int, int] = (64, 96)
) -> DetectionBatch:
    """A batch of normalised images of one size, with so many objects each."""
    generator = torch.Generator().manual_seed(len(counts))
    images: Tensor = torch.randn(len(counts), 3, *size, generator=generator)
    sizes = torch.tensor([size] * len(counts))
    return {
        "image": images,
        "size": sizes,
        "original_size": sizes,
        "image_id": torch.arange(len(counts)),
        "target": [random_target(count, i, size) for i, count in enumerate(counts)],
    }
