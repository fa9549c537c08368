"""Random depths and normals."""

import torch
from torch import Tensor
from torch.nn import functional as F


def random_values(key: str, count: int, size: tuple[int, int], *, seed: int = 0) -> Tensor:
    """Depths from 1 to 9 m, or unit vectors that point to the camera."""
    generator = torch.Generator().manual_seed(seed)
    if key == "depth":
        return 1 + 8 * torch.rand(count, *size, generator=generator)
    normals = torch.randn(count, 3, *size, generator=generator)
    normals[:, 2] = -1 - normals[:, 2].abs()
    return F.normalize(normals, dim=1)
