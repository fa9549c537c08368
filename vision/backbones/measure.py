"""Count the parameters and multiply-adds of a backbone with a linear classifier."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vision.backbones.base import Backbone


def count_parameters(backbone: Backbone, *, num_classes: int = 0) -> int:
    """Number of parameters, buffers excluded.

    Args:
        backbone: The backbone, on any device.
        num_classes: Classes of a linear classifier that is counted too; 0 for none.
    """
    count = sum(parameter.numel() for parameter in backbone.parameters())
    return count + num_classes * (backbone.embed_dim + 1 if num_classes else 0)


@torch.no_grad()
def count_gmacs(backbone: Backbone, size: tuple[int, int], *, num_classes: int = 0) -> float:
    """Billions of multiply-adds of the convolutions and matrix products for one image.

    Args:
        backbone: The backbone, in evaluation mode; on the meta device nothing is computed.
        size: Height and width of the image in pixels.
        num_classes: Classes of a linear classifier on `embed` that is counted too; 0 for none.

    Returns:
        Half the floating-point operations that PyTorch's `FlopCounterMode` counts, in 1e9.
    """
    weight = next(backbone.parameters())
    in_channels = backbone.get_parameter(backbone.input_conv).shape[1] if backbone.input_conv else 3
    images = torch.zeros(1, in_channels, *size, device=weight.device, dtype=weight.dtype)
    with FlopCounterMode(display=False) as counter:
        embedding = backbone.embed(images)
        if num_classes:
            head = nn.Linear(backbone.embed_dim, num_classes, device=weight.device)
            head(embedding)
    return counter.get_total_flops() / 2e9
