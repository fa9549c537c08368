"""A map seen from above to a richer one: convolutions of several strides, and their sum at one.

"SECOND: Sparsely Embedded Convolutional Detection", Yan et al., 2018, and "PointPillars", Lang et
al., 2019, https://arxiv.org/abs/1812.05784, section 2.2, with the residual sums of FlatFormer's
code (mit-han-lab/flatformer, `backbones/second.py`, `necks/second_fpn.py`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.layers.conv_norm import norm_relu
from vision.options import MAX_DEPTH, MAX_WIDTH, Range, check_ranges

# Epsilon and momentum of the norms in the authors' detector.
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01


class ResidualConvNorm(nn.Module):
    """A 3 x 3 convolution, norm, ReLU, and the input added where the shapes agree.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Of the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=NORM_EPS, momentum=NORM_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, out, H / stride, W / stride)`, rounded up."""
        out = norm_relu(self.norm, self.conv(x))
        return out + x if out.shape == x.shape else out


class UpConvNorm(nn.Module):
    """A transposed convolution whose kernel is its stride, norm, ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Factor of the size.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, stride, stride, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=NORM_EPS, momentum=NORM_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, out, H * stride, W * stride)`."""
        return norm_relu(self.norm, self.conv(x))


class BirdsEye(nn.Module):
    """Blocks of convolutions, each at its stride, whose maps are brought to the first one's size.

    Args:
        specs: Channels and stride of the map; of several the first is read.
        channels: Channels of each block.
        depths: Convolutions of each block after its first.
        strides: Stride of the first convolution of each block.
        out_channels: Channels that the map of each block adds to the output.

    Attributes:
        feature_specs: The one map of the output, with the channels of all blocks.

    Raises:
        ConfigError: An option is out of its range or has another number of blocks.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        channels: Sequence[int] = (64, 128),
        depths: Sequence[int] = (3, 3),
        strides: Sequence[int] = (1, 2),
        out_channels: Sequence[int] = (128, 128),
    ) -> None:
        super().__init__()
        _check_options(channels, depths, strides, out_channels)
        self.blocks, self.ups = nn.ModuleList(), nn.ModuleList()
        width, factor = specs[0].channels, 1
        for i, (own, depth, stride) in enumerate(zip(channels, depths, strides, strict=True)):
            first = ResidualConvNorm(width, own, stride=stride)
            rest = (ResidualConvNorm(own, own, stride=1) for _ in range(depth))
            self.blocks.append(nn.Sequential(first, *rest))
            factor *= stride if i else 1
            self.ups.append(UpConvNorm(own, out_channels[i], stride=factor))
            width = own
        self.feature_specs = (FeatureSpec(sum(out_channels), specs[0].stride * strides[0]),)
        self.reset_parameters()

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map `(B, C, H, W)` to one `(B, sum(out_channels), H / stride, W / stride)`."""
        maps = self.stages(x)
        rows, columns = maps[0].shape[-2:]
        # A coarser map of an odd number of rows grows by one too many.
        grown = [up(y)[..., :rows, :columns] for up, y in zip(self.ups, maps, strict=True)]
        return [torch.cat(grown, dim=1)]

    def stages(self, x: Tensor) -> list[Tensor]:
        """The output of each block."""
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def reset_parameters(self) -> None:
        """Initialise as published: after He et al., 2015, for the gradients."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()


def _check_options(
    channels: Sequence[int],
    depths: Sequence[int],
    strides: Sequence[int],
    out_channels: Sequence[int],
) -> None:
    options = {
        "channels": channels,
        "depths": depths,
        "strides": strides,
        "out_channels": out_channels,
    }
    width = Range(minimum=1, maximum=MAX_WIDTH, length=0)
    ranges = {
        "channels": width,
        "depths": Range(minimum=0, maximum=MAX_DEPTH, length=0),
        "strides": Range(minimum=1, maximum=64, length=0),
        "out_channels": width,
    }
    check_ranges(options, ranges)
    if len({len(values) for values in options.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in options.items())
        raise ConfigError(f"the blocks need one entry each of every option; there are {lengths}.")
