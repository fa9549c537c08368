"""A convolution and a batch norm, the block that kMaX-DeepLab is made of."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers.conv_norm import batch_norm


class ConvNorm(nn.Module):
    """Convolution of stride 1, batch norm and, if asked for, GELU.

    Weights are drawn from a normal distribution that is cut at two deviations. As in the authors'
    code the default deviation `(2 / in_channels) ** 0.5` does not count the area of the kernel.

    Args:
        in_channels: Channels C of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd; zeros around the map keep its size.
        dims: 2 for a map `(B, C, H, W)`, 1 for queries `(B, C, N)`.
        depthwise: Whether each channel has a kernel of its own.
        dilation: Distance between the taps of the kernel.
        bias: Whether the convolution has a bias, besides that of the norm.
        act: Whether a GELU follows.
        std: Deviation of the initial weights; None for the default, `"xavier"` for Xavier's
            uniform distribution.
        norm_scale: Initial scale of the norm: 0 at the end of a residual branch.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 1,
        dims: Literal[1, 2] = 2,
        depthwise: bool = False,
        dilation: int = 1,
        bias: bool = False,
        act: bool = False,
        std: float | Literal["xavier"] | None = None,
        norm_scale: float = 1.0,
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d if dims == 2 else nn.Conv1d
        self.conv = convolution(
            in_channels,
            out_channels,
            kernel_size,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=in_channels if depthwise else 1,
            bias=bias,
        )
        self.norm = make_norm(out_channels, dims=dims)
        self.act, self.norm_scale = act, norm_scale
        self.std = (2 / in_channels) ** 0.5 if std is None else std
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, ...)` to as many positions."""
        x = batch_norm(self.norm, self.conv(x))
        return F.gelu(x) if self.act else x

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        if isinstance(self.std, str):
            nn.init.xavier_uniform_(self.conv.weight)
        else:
            init_truncated(self.conv.weight, std=self.std)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        self.norm.reset_parameters()
        nn.init.constant_(self.norm.weight, self.norm_scale)


def make_norm(channels: int, *, dims: Literal[1, 2]) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """The batch norm of kMaX-DeepLab: epsilon 1e-3, a hundredth of each batch into the averages."""
    kind = nn.BatchNorm2d if dims == 2 else nn.BatchNorm1d
    return kind(channels, eps=1e-3, momentum=0.01)


def init_truncated(weight: Tensor, *, std: float) -> None:
    """Fill with values of a normal distribution that is cut at two deviations."""
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def reset_parts(module: nn.Module) -> None:
    """Initialise every part of a module, the inner ones first: the outer ones know better."""
    for part in reversed(list(module.modules())):
        reset = getattr(part, "reset_parameters", None)
        if part is not module and reset is not None:
            reset()
