"""Samples of images whose every pixel is predicted, thin images included."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vision.backbones.base import MIN_SIDE

# Rounding may leave a thin image a pixel short, so it is extended again.
TRIES = 4


def dense_sample(change: Callable[[Tensor], Tensor], image: Tensor, path: str) -> dict[str, Any]:
    """The resized image, and its size before; a thin one is first extended.

    The task predicts the rows and columns that were added too: cut them off.

    Args:
        change: Resizes an image, uint8 `(3, H, W)`.
        image: The image.
        path: Where it comes from.
    """
    changed = change(image)
    for _ in range(TRIES):
        if min(changed.shape[1:]) >= MIN_SIDE:
            break
        image = _extend(image, changed)
        changed = change(image)
    return {"image": changed, "original_size": torch.tensor(image.shape[1:]), "path": path}


def _extend(image: Tensor, changed: Tensor) -> Tensor:
    """Repeat the last row and column of a thin image until it is large enough."""
    places = []
    for side, becomes in zip(image.shape[1:], changed.shape[1:], strict=True):
        minimum = (
            max(side + 1, math.ceil(MIN_SIDE * side / becomes)) if becomes < MIN_SIDE else side
        )
        places.append(torch.arange(minimum).clamp(max=side - 1))
    return image[:, places[0]][:, :, places[1]]
