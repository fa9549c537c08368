"""A convolution, batch norm and ReLU, the block that convolutional heads are made of."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers.resized_conv import ResizedConv2d, Size


class ConvNormAct(nn.Module):
    """Convolution of stride 1 without a bias, batch norm, ReLU.

    A batch norm in training refuses a map that has one value per channel in the whole batch, as a
    1 x 1 map of a single image has. Here such a map is normalised by the running statistics, which
    stay as they are: one value has no variance, and evaluation will do the same.

    Args:
        in_channels: Channels C of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd; zeros around the map keep its size.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to as many rows and columns."""
        return norm_relu(self.norm, self.conv(x))

    def reset_parameters(self) -> None:
        """Initialise as mmcv's blocks: after He et al., 2015, for the gradients."""
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.norm.reset_parameters()


class ResizedConvNormAct(nn.Module):
    """The same over the concatenation of maps that are resized to one size.

    Args:
        in_channels: Channels of each map, in the order of the concatenation.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd.
        align_corners: Of the bilinear resize, as in `F.interpolate`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        *,
        kernel_size: int = 3,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.conv = ResizedConv2d(
            in_channels, out_channels, kernel_size=kernel_size, align_corners=align_corners
        )
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, maps: Sequence[Tensor], size: Size | None = None) -> Tensor:
        """Map each `(B, C, h, w)` of `maps` to `size`, by default the size of the first map."""
        return norm_relu(self.norm, self.conv(maps, size))

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        self.conv.reset_parameters()
        self.norm.reset_parameters()


def norm_relu(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch norm, then ReLU, of a map `(B, C, H, W)`; see `batch_norm`."""
    return F.relu(batch_norm(norm, x))


def batch_norm(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch norm; `ConvNormAct` describes the case of one value per channel.

    Args:
        norm: A batch norm, or what took its place, such as an `nn.SyncBatchNorm`, which finds
            further values in other processes.
        x: `(B, C, ...)`.
    """
    plain = nn.BatchNorm1d | nn.BatchNorm2d
    if isinstance(norm, plain) and norm.training and x[:, 0].numel() <= 1:
        return F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
    normalised: Tensor = norm(x)
    return normalised
