"""A small head of DINO, and what it reads."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.heads.detection.dino import DINOHead

# Options that make the head small, whatever its classes.
SMALL: dict[str, Any] = {
    "num_queries": 6,
    "max_per_image": 5,
    "encoder_options": {"num_layers": 1, "num_points": 2, "feedforward": 12},
    "denoising": {"queries": 4},
    "design": {"dim": 32, "num_heads": 4, "num_points": 2, "feedforward": 12, "decoder_depth": 2},
}


def specs(strides: tuple[int, ...] = (8, 16, 32)) -> list[FeatureSpec]:
    return [FeatureSpec(4 + i, stride) for i, stride in enumerate(strides)]


def tiny_head(*, design: dict[str, Any] | None = None, **options: Any) -> DINOHead:
    """A head of three classes; all its parts do something, unlike as initialised."""
    torch.manual_seed(0)
    small = {**SMALL, "design": {**SMALL["design"], **(design or {})}}
    pyramid = specs((4, 8, 16, 32) if options.get("masks") else (8, 16, 32))
    head = DINOHead(pyramid, **{"num_classes": 3, **small, **options})
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if not parameter.any() or "offsets.weight" in name or "classes" in name:
                parameter.normal_(std=0.3)
    return head


def features(
    height: int, width: int, batch: int = 2, strides: tuple[int, ...] = (8, 16, 32)
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(batch, channels, -(-height // stride), -(-width // stride), generator=generator)
        for channels, stride in specs(strides)
    ]


def sizes_of(height: int, width: int, batch: int = 2) -> Tensor:
    return torch.tensor([[height, width]] * batch)


def check_gradients(head: DINOHead, gradients: Callable[..., dict[str, Tensor | None]]) -> None:
    """See that every parameter has a gradient that is not zero, and without objects one at all.

    Args:
        head: The head.
        gradients: Of the head and the numbers of objects of two images, by name of the parameter.
    """
    for name, gradient in gradients(head, (2, 0)).items():
        assert gradient is not None, name
        assert gradient.isfinite().all(), name
        assert gradient.any(), name
    head.zero_grad(set_to_none=True)
    # Distributed training waits for all of them.
    for name, gradient in gradients(head, (0, 0)).items():
        assert gradient is not None, name
        assert gradient.isfinite().all(), name
