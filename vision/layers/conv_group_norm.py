"""A convolution and group norm."""

import torch
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

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """Map `(B, C_in, H, W)` to `(B, C_out, H', W')`, the sides divided by the stride.

        Args:
            x: The map.
            padding: bool `(B, H', W')`, cells of the result that the norm leaves out; None for
                none.
        """
        x = self.conv(x)
        x = self.norm(x) if padding is None else _norm_valid(x, self.norm, padding)
        return F.relu(x) if self.act else x


def _norm_valid(x: Tensor, norm: nn.GroupNorm, padding: Tensor) -> Tensor:
    """Group norm by the mean and deviation of the cells that are no padding."""
    groups = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    # Not by unflatten, which makes constants of sizes that are traced.
    groups = groups.reshape(x.shape[0], norm.num_groups, -1, x.shape[-2], x.shape[-1])
    valid = ~padding[:, None, None]  # (B, 1, 1, H, W)
    count = valid.sum(dim=(3, 4), keepdim=True) * (norm.num_channels // norm.num_groups)
    mean = (groups * valid).sum(dim=(2, 3, 4), keepdim=True) / count
    apart = groups - mean
    variance = (apart.square() * valid).sum(dim=(2, 3, 4), keepdim=True) / count
    result = (apart * (variance + norm.eps).rsqrt()).reshape(x.shape)
    # As group norm does it: half precision for weights of it, float32 where autocast has made `x`.
    return (result * norm.weight[:, None, None] + norm.bias[:, None, None]).to(norm.weight.dtype)
