"""Residual convolutions with instance norm, in images and volumes, as in nnU-Net and MONAI."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers.instance_norm import instance_norm_, works_on_rows

CONVS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
# Slope of the leaky ReLU for negative values, as published.
SLOPE = 0.01


class ResidualConv(nn.Module):
    """Two convolutions with instance norm, and their input added before the last ReLU.

    "nnU-Net", 2018, https://arxiv.org/abs/1809.10486, with the shortcut of MONAI's `UnetResBlock`:
    a convolution with side 1 and instance norm where the channels differ. Norms have no parameters.

    Args:
        in_channels: Channels of the input, of all its maps together.
        out_channels: Channels of the output.
        axes: 2 for images, 3 for volumes.
    """

    def __init__(self, in_channels: int, out_channels: int, *, axes: int) -> None:
        super().__init__()
        conv = CONVS[axes]
        self.conv1 = conv(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.conv2 = conv(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.shortcut = None
        if in_channels != out_channels:
            self.shortcut = conv(in_channels, out_channels, kernel_size=1, bias=False)

    def forward(self, *maps: Tensor) -> Tensor:
        """Map `(B, C_in, *size)` to `(B, C_out, *size)`; several maps stand for one of them all."""
        y = instance_norm_(self._convolve(maps), slope=SLOPE)
        y = self.conv2(y)
        rest = maps[0]
        if self.shortcut is not None:
            rest = instance_norm_(pointwise(maps, self.shortcut.weight))
        return instance_norm_(y, slope=SLOPE, added=rest)

    def _convolve(self, maps: Sequence[Tensor]) -> Tensor:
        """The first convolution, of maps as of one with all channels, which the CPU never makes."""
        if not works_on_rows(maps[0]):
            together: Tensor = self.conv1(torch.cat([*maps], dim=1))
            return together
        conv = F.conv3d if isinstance(self.conv1, nn.Conv3d) else F.conv2d
        weights = self.conv1.weight.split([x.shape[1] for x in maps], dim=1)
        total = conv(maps[0], weights[0], padding=1)
        for x, weight in zip(maps[1:], weights[1:], strict=True):
            total = total.add_(conv(x, weight, padding=1))
        return total


def pointwise(maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution with side 1; on the CPU a matrix product, which copies no map.

    Args:
        maps: `(B, C, *size)` each; several stand for one with the channels of all.
        weight: `(C_out, C_in, 1, ...)`.
        bias: `(C_out,)`.

    Returns:
        `(B, C_out, *size)`, on the CPU with channels last in memory.
    """
    if not works_on_rows(maps[0]):
        conv = F.conv3d if weight.ndim == 5 else F.conv2d
        return conv(torch.cat([*maps], dim=1), weight, bias)
    matrix = weight.flatten(1).t()  # (C_in, C_out)
    parts = matrix.split([x.shape[1] for x in maps])
    rows = [x.movedim(1, -1).flatten(0, -2) for x in maps]  # (B * cells, C) each
    total = rows[0] @ parts[0] if bias is None else torch.addmm(bias, rows[0], parts[0])
    for row, part in zip(rows[1:], parts[1:], strict=True):
        total = total.add_(row @ part)
    return total.unflatten(0, (-1, *maps[0].shape[2:])).movedim(-1, 1)


def enlarge(x: Tensor, weight: Tensor) -> Tensor:
    """A transposed convolution whose stride is its side; on the CPU a matrix product.

    Args:
        x: `(B, C_in, *size)`.
        weight: `(C_in, C_out, *scale)`.

    Returns:
        `(B, C_out, *size * scale)`, on the CPU with channels last in memory.
    """
    scale = weight.shape[2:]
    if not works_on_rows(x):
        conv = F.conv_transpose3d if weight.ndim == 5 else F.conv_transpose2d
        return conv(x, weight, stride=[*scale])
    axes = len(scale)
    matrix = weight.movedim(1, -1).flatten(1)  # (C_in, prod(scale) * C_out)
    y = (x.movedim(1, -1) @ matrix).unflatten(-1, (*scale, -1))  # (B, *size, *scale, C_out)
    order = [axis for i in range(axes) for axis in (1 + i, 1 + axes + i)]
    y = y.permute(0, *order, -1).reshape(
        len(x), *(n * k for n, k in zip(x.shape[2:], scale, strict=True)), -1
    )
    return y.movedim(-1, 1)
