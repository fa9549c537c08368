"""Small models of depth and of normals, and small random batches, for the tests of both."""

from typing import Any

import torch
from helpers.random_values import random_values
from helpers.tiny_models import TINY

from vision.contracts.depth import DepthBatch
from vision.contracts.normals import NormalsBatch
from vision.tasks.dense import DenseTask
from vision.tasks.depth import DepthEstimation
from vision.tasks.normals import SurfaceNormals

WIDTHS = {
    **{"queries": 16, "query_heads": 2, "feedforward": 24, "pixels": 8, "masks": 6},
    "axial_heads": 2,
}
# Options that make each decoder small.
SMALL: dict[str, dict[str, Any]] = {
    "dpt": {"features": 16, "hidden_channels": 8},
    "polymax": {
        "num_queries": 5,
        "stage_channels": [8, 6, 4, 4],
        "stage_depths": [1, 1, 1, 1],
        "depths": [1, 1, 1],
        "widths": WIDTHS,
    },
}
TASKS: dict[str, type[DenseTask]] = {"depth": DepthEstimation, "normals": SurfaceNormals}


def tiny_dense(
    key: str = "depth", decoder: str = "dpt", family: str = "convnext", **more: Any
) -> Any:
    """A model with the same weights every time."""
    torch.manual_seed(0)
    name, options = TINY[family]
    settings: dict[str, Any] = {
        "decoder": decoder,
        "backbone_options": options,
        "head_options": SMALL.get(decoder),
    }
    return TASKS[key](name, **{**settings, **more})  # type: ignore[arg-type]


def random_batch(
    key: str, size: tuple[int, int] = (64, 96), *, valid: tuple[tuple[int, int], ...] | None = None
) -> Any:
    """A batch of two normalised images, whose values are padded beyond the valid part."""
    sizes = torch.tensor(valid or [size, (size[0] - 7, size[1] - 13)])
    values = random_values(key, 2, size)
    for one, (height, width) in zip(values, sizes.tolist(), strict=True):
        one[..., height:, :], one[..., width:] = 0, 0
    batch: DepthBatch | NormalsBatch = {
        "image": torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)),
        "size": sizes,
        "original_size": sizes,
        "path": ["a.jpg", "b.jpg"],
    }
    return {**batch, key: values}
