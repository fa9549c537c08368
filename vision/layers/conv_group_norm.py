"""A convolution and group norm."""

from torch import Tensor, nn
from torch.nn import functional as F


class ConvGroupNorm(nn.Module):
    """Convolution with bias, group norm, and ReLU if wanted.

    Args:
        in_channels: Channels of the map it is given.
        out_channels: Channels of the result.
        num_groups: Groups of channels that are normalised together.
        kernel_size: Side of the kernel, odd; zeros are put around the map.
        stride: Cells from one place of the kernel to the next.
        act: Whether a ReLU follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_groups: int,
        kernel_size: int = 3,
        stride: int = 1,
        act: bool = False,
    ) -> None:
        super().__init__()
        self.act = act
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2
        )
        self.norm = nn.GroupNorm(num_groups, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C_in, H, W)` to `(B, C_out, H', W')`, the sides divided by the stride."""
        x = self.norm(self.conv(x))
        return F.relu(x) if self.act else x
