"""Residual convolutions with instance norm, in images and volumes, as in nnU-Net and MONAI."""

from torch import Tensor, nn
from torch.nn import functional as F

CONVS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
# Slope of the leaky ReLU for negative values, as published.
SLOPE = 0.01


class ResidualConv(nn.Module):
    """Two convolutions with instance norm, and their input added before the last ReLU.

    "nnU-Net", 2018, https://arxiv.org/abs/1809.10486, with the shortcut of MONAI's `UnetResBlock`:
    a convolution with side 1 and instance norm where the channels differ. Norms have no parameters.

    Args:
        in_channels: Channels of the input.
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

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C_in, *size)` to `(B, C_out, *size)`."""
        y = F.leaky_relu(F.instance_norm(self.conv1(x)), SLOPE, inplace=True)
        y = F.instance_norm(self.conv2(y))
        rest = x if self.shortcut is None else F.instance_norm(self.shortcut(x))
        return F.leaky_relu(y + rest, SLOPE, inplace=True)
