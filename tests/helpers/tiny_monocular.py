"""A small head that finds boxes in space in one image, and what it reads."""

from typing import Any

import torch
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.heads.detection3d.monodetr import MonoDETRHead

STRIDES = (4, 8, 16, 32)
TINY: dict[str, Any] = {
    "num_classes": 3,
    "num_queries": 5,
    "num_groups": 3,
    "bins": {"count": 6, "maximum": 20.0},
    "max_per_image": 4,
    "design": {
        "dim": 32,
        "num_heads": 4,
        "num_points": 2,
        "feedforward": 12,
        "depth_feedforward": 12,
        "encoder_depth": 1,
        "decoder_depth": 2,
        "dropout": 0.0,
    },
}
# Of KITTI's left colour camera, a little rounded.
CAMERA = torch.tensor([[700.0, 0, 620, 45], [0, 700, 180, 0.2], [0, 0, 1, 0.003]])
ORIGINAL = (375, 1242)


def specs(strides: tuple[int, ...] = STRIDES) -> list[FeatureSpec]:
    return [FeatureSpec(4 + i, stride) for i, stride in enumerate(strides)]


def tiny_head(**options: Any) -> MonoDETRHead:
    torch.manual_seed(0)
    return MonoDETRHead(specs(), **{**TINY, **options})


def arguments(
    height: int, width: int, batch: int = 2
) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """Maps, cameras, sizes and original sizes of inputs of a size."""
    generator = torch.Generator().manual_seed(1)
    maps = [
        torch.randn(batch, channels, -(-height // stride), -(-width // stride), generator=generator)
        for channels, stride in specs()
    ]
    size, original = torch.tensor([height, width]), torch.tensor(ORIGINAL)
    return maps, CAMERA.expand(batch, -1, -1), size.expand(batch, -1), original.expand(batch, -1)
