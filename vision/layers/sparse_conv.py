"""Convolution of the voxels that hold something, to the same voxels.

"3D Semantic Segmentation with Submanifold Sparse Convolutional Networks", Graham et al., 2018,
https://arxiv.org/abs/1711.10275. Letters: V voxels, K places of the kernel, I and O channels.
"""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vision.ops.voxel_neighbors import neighbor_table


def kernel_offsets(*, device: torch.device | None = None) -> Tensor:
    """The 27 offsets of a 3 x 3 x 3 kernel, int64 `(27, 4)`: 0 (the sample), x, y, z.

    The place of an offset is `(x + 1) + 3 * (y + 1) + 9 * (z + 1)`: x is the fastest.
    """
    places = [(0, x, y, z) for z, y, x in itertools.product((-1, 0, 1), repeat=3)]
    return torch.tensor(places, device=device)


def conv_table(coords: Tensor) -> Tensor:
    """The neighbours that `SparseConv3d` needs of cells int64 `(V, 4)`: int64 `(V, 27)`."""
    return neighbor_table(coords, kernel_offsets(device=coords.device))


class SparseConv3d(nn.Module):
    """Submanifold 3 x 3 x 3 convolution without bias.

    Args:
        in_channels: Number of channels of the input.
        out_channels: Number of channels of the result.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(27, in_channels, out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the kernel with uniform values up to `1 / sqrt(27 * in_channels)`."""
        bound = 1 / math.sqrt(27 * self.kernel.shape[1])
        nn.init.uniform_(self.kernel, -bound, bound)

    def forward(self, features: Tensor, table: Tensor) -> Tensor:
        """Convolve.

        Args:
            features: float `(V, I)`.
            table: int64 `(V, 27)`, `conv_table` of the voxels.

        Returns:
            `(V, O)`: the sum over the neighbours that exist.
        """
        # In the type of the kernel: sums of 27 products lose too much in half precision.
        with torch.autocast(features.device.type, enabled=False):
            inputs = features.to(self.kernel.dtype)
            result: Tensor = _SparseConv.apply(inputs, table, self.kernel)
        return result

    def extra_repr(self) -> str:
        """Show the channels in the module's printout."""
        return f"{self.kernel.shape[1]}, {self.kernel.shape[2]}"


class _SparseConv(torch.autograd.Function):
    """The sum over places, one matrix product each; neighbours are gathered again for gradients.

    A voxel is written once per place, so that sums have one order. The neighbour at a place has
    this voxel at the opposite place, so that the gradient is the same sum with the kernel turned.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, table: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(features, table, kernel)
        return _sum_places(features, table, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        features, table, kernel = ctx.saved_tensors
        to_features = to_kernel = None
        # Also where the loss is differentiated inside autocast.
        with torch.autocast(grad.device.type, enabled=False):
            if ctx.needs_input_grad[0]:
                turned = kernel.flip(0).transpose(1, 2)
                to_features = _sum_places(grad, table, turned)
            if ctx.needs_input_grad[2]:
                to_kernel = torch.empty_like(kernel)
                for place, column in enumerate(table.unbind(1)):
                    rows = torch.nonzero(column >= 0)[:, 0]
                    to_kernel[place] = features[column[rows]].T @ grad[rows]
        return to_features, None, to_kernel


def _sum_places(features: Tensor, table: Tensor, kernel: Tensor) -> Tensor:
    """`(V, O)` from `(V, I)` and a kernel `(27, I, O)`."""
    middle = len(kernel) // 2
    # Every voxel has itself in the middle, which begins the sum.
    result = features @ kernel[middle]
    for place, column in enumerate(table.unbind(1)):
        if place != middle:
            rows = torch.nonzero(column >= 0)[:, 0]
            result.index_add_(0, rows, features[column[rows]] @ kernel[place])
    return result
