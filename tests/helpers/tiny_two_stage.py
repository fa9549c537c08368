"""Small two-stage heads, and features and targets for them."""

from typing import Any

import torch
from torch import Tensor

from vision.contracts.detection import DetectionTarget
from vision.contracts.features import FeatureSpec
from vision.heads.detection.two_stage import CASCADE, TwoStage

CHANNELS, CLASSES = 8, 3
HEIGHT, WIDTH = 64, 96
STRIDES = (4, 8, 16, 32, 64)
SPECS = tuple(FeatureSpec(CHANNELS, stride) for stride in STRIDES)
KINDS: dict[str, dict[str, Any]] = {
    "faster": {"masks": False},
    "mask": {"masks": True, "allow_low_quality": True},
    "cascade": {"stages": CASCADE, "box_head": "4conv1fc"},
    "cascade of sigmoids": {"stages": CASCADE, "classifier": "sigmoid"},
    "cascade of boxes, class agnostic": {
        "stages": CASCADE,
        "masks": False,
        "class_agnostic": True,
    },
}


def make_head(kind: str = "mask", *, maps: int = 5, **options: Any) -> TwoStage:
    """A head of a few thousand parameters, the same for the same kind."""
    torch.manual_seed(0)
    settings = {
        "num_classes": CLASSES,
        "channels": CHANNELS,
        "fc_dim": 16,
        "batch_size_per_image": 32,
        "max_per_image": 20,
        "rpn": {
            "channels": CHANNELS,
            "pre_nms_topk_train": 80,
            "post_nms_topk_train": 60,
            "pre_nms_topk_test": 60,
            "post_nms_topk_test": 40,
        },
    }
    return TwoStage(SPECS[:maps], **(settings | KINDS[kind] | options))


def decided(head: TwoStage) -> TwoStage:
    """The head in evaluation mode, with weights that make scores and boxes differ widely."""
    with torch.no_grad():
        for branch in head.box_heads:
            branch.logits.weight.mul_(40)
            branch.logits.bias.zero_()
            branch.deltas.weight.mul_(100)
        head.rpn.logits.weight.mul_(20)
        head.rpn.deltas.weight.mul_(5)
    return head.eval()


def make_features(batch: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, CHANNELS, -(-HEIGHT // s), -(-WIDTH // s), generator=generator)
        for s in STRIDES
    ]


def make_target(
    count: int, *, crowds: int = 0, seed: int = 0, masks: bool = True
) -> DetectionTarget:
    """Objects with elliptic masks; the last ones are crowds."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 30
    size = torch.rand(count, 2, generator=generator) * 24 + 8
    boxes = torch.cat([corner, corner + size], dim=1)
    target: DetectionTarget = {
        "boxes": boxes,
        "labels": torch.randint(0, CLASSES, (count,), generator=generator),
        "iscrowd": torch.arange(count) >= count - crowds,
        "area": size.prod(dim=1),
        "image_id": torch.tensor(100 + seed),
    }
    if masks:
        y = torch.arange(HEIGHT)[:, None] + 0.5
        x = torch.arange(WIDTH) + 0.5
        middle, half = (corner + size / 2)[:, :, None, None], (size / 2)[:, :, None, None]
        target["masks"] = ((x - middle[:, 0]) / half[:, 0]) ** 2 + (
            (y - middle[:, 1]) / half[:, 1]
        ) ** 2 < 1
    return target


def make_sizes(batch: int) -> Tensor:
    sizes = [[HEIGHT, WIDTH], [HEIGHT - 9, WIDTH - 30], [HEIGHT - 1, WIDTH], [40, 50]]
    return torch.tensor(sizes[:batch])
