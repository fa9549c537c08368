"""Small configurations of every backbone family, for tests that run over all of them."""

from typing import Any

import torch
from torch import Tensor, nn

from vision import create_backbone
from vision.backbones.base import Backbone

TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "swin": (
        "swin",
        {"dim": 16, "depths": (1, 2, 2, 2), "num_heads": (1, 2, 4, 8), "window_size": 4},
    ),
    "cswin": (
        "cswin",
        {
            "dim": 16,
            "depths": (1, 1, 2, 1),
            "split_sizes": (1, 2, 4, 4),
            "num_heads": (2, 4, 8, 16),
        },
    ),
    "cvt": ("cvt", {"dims": (16, 48, 96), "depths": (1, 1, 2), "num_heads": (1, 3, 6)}),
    "tnt": (
        "tnt",
        {
            "dim": 48,
            "inner_dim": 8,
            "depth": 2,
            "num_heads": 4,
            "inner_num_heads": 2,
            "img_size": 64,
        },
    ),
    "rmt": (
        "rmt",
        {
            "dims": (16, 32, 64, 96),
            "depths": (1, 1, 2, 1),
            "num_heads": (2, 2, 4, 6),
            "head_ranges": (4, 4, 6, 6),
            "mlp_ratios": (2, 2, 2, 2),
            "projection": 64,
        },
    ),
    "hornet_7x7": ("hornet", {"dim": 16, "depths": (1, 1, 2, 1)}),
    "hornet_gf": (
        "hornet",
        {
            "dim": 16,
            "depths": (1, 1, 2, 1),
            "global_filters": (None, None, (6, 4), (3, 2)),
        },
    ),
    "convnext": ("convnext", {"dims": (16, 32, 64, 128), "depths": (1, 1, 2, 1)}),
}


def build(family: str, **overrides: Any) -> Backbone:
    """A small backbone of a family, with the same weights every time."""
    torch.manual_seed(0)
    name, options = TINY[family]
    return create_backbone(name, **{**options, **overrides})


def randomise(model: nn.Module) -> nn.Module:
    """Weights under which every parameter moves the outputs, unlike the initial layer scales."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                fan_in = parameter[0].numel()
                parameter.normal_(0, fan_in**-0.5, generator=generator)
            else:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return model


def images_of(height: int, width: int, batch: int = 1) -> Tensor:
    """The same images of a size every time."""
    return torch.randn(
        batch, 3, height, width, generator=torch.Generator().manual_seed(height * 1000 + width)
    )
