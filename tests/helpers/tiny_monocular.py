"""A small head that finds boxes in space in one image, and what it reads."""

from typing import Any

import torch
from torch import Tensor

from vision.contracts.detection3d import MonocularTarget
from vision.contracts.features import FeatureSpec
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.ops.monocular_predictions import sides_to_corners

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


def project(points: Tensor) -> Tensor:
    """Columns and rows of points `(N, 3)`; as in KITTI's code, divided by their own depth."""
    whole = torch.cat([points, torch.ones_like(points[:, :1])], dim=-1)
    return (whole @ CAMERA.to(points.dtype).T)[:, :2] / points[:, 2:]


def to_input(places: Tensor, size: tuple[int, int]) -> Tensor:
    """Places of the original image as shares of an input, by the transform of its pixels.

    One scale brings the width to that of the input, and the middles fall together.
    """
    side, original = torch.tensor(size[::-1]), torch.tensor(ORIGINAL[::-1])
    pixels = (places - original / 2) * (size[1] / ORIGINAL[1]) + side / 2
    return pixels / side


def seen_boxes(boxes3d: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes `(N, 6)` around projected centres: 20, 28, 10 and 12 pixels to their sides."""
    places = project(boxes3d[:, :3])
    sides = torch.tensor([20.0, 28, 10, 12], dtype=boxes3d.dtype)
    centre = to_input(places, size)
    before = centre - to_input(places - sides[[0, 2]], size)
    after = to_input(places + sides[[1, 3]], size) - centre
    # Left and right, top and bottom, in turn.
    return torch.cat([centre, torch.stack([before, after], dim=-1).flatten(1)], dim=-1)


def ray_angle(boxes3d: Tensor) -> Tensor:
    """Angle `(N,)` of the ray to the middle of the 2-D box, 4 columns right of the centre."""
    column, focal = (CAMERA[0, i].to(boxes3d.dtype) for i in (2, 0))
    return torch.atan2(project(boxes3d[:, :3])[:, 0] + 4 - column, focal)


def tiny_target(boxes3d: Tensor, labels: Tensor, size: tuple[int, int]) -> MonocularTarget:
    """What is to be learnt of boxes in space, that an input of a size shows."""
    boxes = seen_boxes(boxes3d, size)
    return {
        "labels": labels,
        "boxes": boxes,
        "boxes2d": sides_to_corners(boxes),
        "sizes": boxes3d[:, [4, 5, 3]],
        "depth_m": boxes3d[:, 2],
        "alpha": boxes3d[:, 6] - ray_angle(boxes3d),
    }
