"""Convolutions that merge two maps, whose branches are one convolution in evaluation.

Letters: B images, C channels, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers.attention import is_exporting
from vision.layers.conv_norm import batch_norm


class ConvNorm(nn.Module):
    """Convolution without a bias and batch norm, in evaluation one convolution with a bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd; zeros are put around the map.
        stride: Cells from one place of the kernel to the next.
        act: Whether a SiLU follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 1,
        stride: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.act = act
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels)

    @property
    def folds(self) -> bool:
        """Whether the norm is a fixed scale and shift now, which the kernel can take on.

        A graph that is exported keeps both: int8 needs kernels that are constants, and engines fold
        norms themselves.
        """
        return not self.norm.training and not is_exporting()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C_in, H, W)` to `(B, C_out, H', W')`, the sides divided by the stride."""
        if self.folds:
            x = F.conv2d(x, *self.folded(), stride=self.conv.stride, padding=self.conv.padding)
        else:
            x = batch_norm(self.norm, self.conv(x))
        return F.silu(x) if self.act else x

    def folded(self) -> tuple[Tensor, Tensor]:
        """Kernel `(C_out, C_in, k, k)` and bias `(C_out,)` that stand for convolution and norm."""
        norm = self.norm
        assert norm.running_mean is not None, "it has statistics"
        assert norm.running_var is not None, "it has statistics"
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        return self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale

    def reset_parameters(self) -> None:
        """Initialise as PyTorch does."""
        self.conv.reset_parameters()
        self.norm.reset_parameters()


class RepConv(nn.Module):
    """The sum of a 3 x 3 and a 1 x 1 convolution, and a SiLU.

    "RepVGG: Making VGG-style ConvNets Great Again", Ding et al., 2021,
    https://arxiv.org/abs/2101.03697, section 3.3: the two train as branches, and are one 3 x 3
    convolution in evaluation.

    Args:
        channels: Channels C of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = ConvNorm(channels, channels, kernel_size=3, act=False)
        self.narrow = ConvNorm(channels, channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the same shape."""
        if not self.wide.folds:
            return F.silu(self.wide(x) + self.narrow(x))
        (kernel, bias), (point, shift) = self.wide.folded(), self.narrow.folded()
        return F.silu(F.conv2d(x, kernel + F.pad(point, (1, 1, 1, 1)), bias + shift, padding=1))


class CSPFusion(nn.Module):
    """Merges two maps of one size: a row of `RepConv` beside a 1 x 1 convolution.

    "CSPNet", Wang et al., 2019, https://arxiv.org/abs/1911.11929, as in "DETRs Beat YOLOs on
    Real-time Object Detection", Zhao et al., 2023, https://arxiv.org/abs/2304.08069, figure 3, the
    fusion block.

    Args:
        dim: Channels D of each map and of the result.
        expansion: Channels within, as a multiple of D.
        num_blocks: Number of `RepConv`.
    """

    def __init__(self, dim: int, *, expansion: float, num_blocks: int) -> None:
        super().__init__()
        hidden = max(int(dim * expansion), 1)
        self.deep = ConvNorm(2 * dim, hidden)
        self.blocks = nn.ModuleList(RepConv(hidden) for _ in range(num_blocks))
        self.shallow = ConvNorm(2 * dim, hidden)
        self.output = ConvNorm(hidden, dim) if hidden != dim else nn.Identity()

    def forward(self, first: Tensor, second: Tensor, padding: Tensor | None) -> Tensor:
        """Merge.

        Args:
            first: float `(B, D, H, W)`.
            second: The same.
            padding: bool `(B, 1, H, W)`, cells that stay out of sight of the others; None for none.

        Returns:
            float `(B, D, H, W)`, zero in cells of padding.
        """
        x = torch.cat([first, second], dim=1)
        deep = self.deep(x)
        for block in self.blocks:
            deep = block(without(deep, padding))
        merged: Tensor = self.output(deep + self.shallow(x))
        return without(merged, padding)


def without(x: Tensor, padding: Tensor | None) -> Tensor:
    """The map with zeros where `padding` says."""
    return x if padding is None else x.masked_fill(padding, 0)
