"""Small packed clouds of voxels, and a Swin3D for them."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

TINY: dict[str, Any] = {
    "depths": (2, 1, 2),
    "channels": (8, 12, 16),
    "num_heads": (2, 3, 2),
    "window_sizes": (3, 4, 3),
    "quant_size": 2,
}


class Cloud(NamedTuple):
    """What an encoder of points takes."""

    coords: Tensor
    counts: Tensor
    colors: Tensor
    normals: Tensor


def make_cloud(*counts: int, side: int = 8, seed: int = 0) -> Cloud:
    """Random voxels of cubes, one cloud for each count, in no order."""
    rng = torch.Generator().manual_seed(seed)
    places = []
    for count in counts:
        cells = torch.randperm(side**3, generator=rng)[:count]
        axes = torch.stack([cells // side**i % side for i in range(3)], 1)
        places.append(axes + torch.rand(count, 3, generator=rng))
    total = sum(counts)
    normals = torch.randn(total, 3, generator=rng)
    return Cloud(
        torch.cat(places),
        torch.tensor(counts),
        torch.rand(total, 3, generator=rng) * 2 - 1,
        normals / normals.norm(dim=1, keepdim=True),
    )
