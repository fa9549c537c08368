"""The dense head of DPT: maps of a pyramid fused from the coarsest to the finest."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.depth.readout import Readout
from vision.ops.interpolation import resize_bilinear
from vision.ops.value_maps import ValueMaps
from vision.options import MAX_WIDTH, check_number

# The finest map is enlarged so often, in two steps: the outputs of stride 4 have full size.
ENLARGED = 4


class ResidualUnit(nn.Module):
    """Two 3 x 3 convolutions, each after a ReLU, and the input.

    Args:
        channels: Channels C of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to the same shape."""
        branch: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + branch


class FusionBlock(nn.Module):
    """Adds a lateral map to a coarser one, and enlarges the sum.

    Args:
        channels: Channels C of the maps.
        coarsest: Whether the lateral map is the first, so that there is no other.
    """

    def __init__(self, channels: int, *, coarsest: bool) -> None:
        super().__init__()
        self.lateral = None if coarsest else ResidualUnit(channels)
        self.merged = ResidualUnit(channels)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, lateral: Tensor, coarse: Tensor | None, size: tuple[int, int]) -> Tensor:
        """Fuse two maps.

        Args:
            lateral: `(B, C, h, w)`.
            coarse: The same of the block before; None for the first.
            size: Height H and width W of the result.

        Returns:
            `(B, C, H, W)`.
        """
        if self.lateral is not None:
            assert coarse is not None, "every block but the first has one before it"
            lateral = coarse + self.lateral(lateral)
        # A convolution of 1 x 1 may come before the enlargement, where there are fewer cells.
        x = self.project(self.merged(lateral))
        return resize_bilinear(x, size, align_corners=True)


class DPTHead(nn.Module):
    """Gives each pixel values, from the maps of any pyramid.

    "Vision Transformers for Dense Prediction", Ranftl et al., 2021,
    https://arxiv.org/abs/2103.13413, section 3, for maps that lie in a pyramid already: the step
    that makes one of a transformer's tokens is left to the neck. There is no norm, as in the code
    of CroCo (https://github.com/naver/croco). A map is enlarged to the size of the next finer one,
    also where that is not twice its own; the first block has no unit for a lateral map, which would
    never be used.

    Args:
        specs: Channels and stride of each map, finest first.
        readout: What the outputs stand for, and how many there are.
        features: Channels of all maps within, even.
        hidden_channels: Channels at full size, before the last layer.

    Attributes:
        stride: Image pixels per cell of the output along each axis, 1 for a finest map of stride 4.

    Raises:
        ConfigError: There are no maps, they are out of order, or an option is out of its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        readout: Readout,
        features: int = 256,
        hidden_channels: int = 32,
    ) -> None:
        super().__init__()
        strides = [spec.stride for spec in specs]
        if not strides or strides != sorted(strides):
            raise ConfigError(
                "DPTHead accepts one map or more, finest first, such as maps of strides 4, 8, 16 "
                f"and 32; got strides {strides}."
            )
        check_number("features", features, minimum=2, maximum=MAX_WIDTH)
        check_number("hidden_channels", hidden_channels, minimum=1, maximum=MAX_WIDTH)
        if features % 2:
            raise ConfigError(f"features={features} must be even: the last layers have half of it.")
        self.readout, self.stride = readout, strides[0] / ENLARGED
        self.laterals = nn.ModuleList(
            nn.Conv2d(spec.channels, features, 3, padding=1, bias=False) for spec in specs
        )
        self.fusions = nn.ModuleList(
            FusionBlock(features, coarsest=i == len(specs) - 1) for i in range(len(specs))
        )
        self.narrow = nn.Conv2d(features, features // 2, 3, padding=1)
        self.hidden = nn.Conv2d(features // 2, hidden_channels, 3, padding=1)
        self.last = nn.Conv2d(hidden_channels, readout.channels, 1)

    def forward(self, features: Sequence[Tensor]) -> ValueMaps:
        """Give each pixel values.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            `values` `(B, readout.channels, H, W)`, H and W four times those of the finest map.
        """
        x = self.narrow(self.fuse(features)[-1])
        x = resize_bilinear(x, (2 * x.shape[-2], 2 * x.shape[-1]), align_corners=True)
        values = self.readout.values(self.last(F.relu(self.hidden(x))))
        return {"values": self.readout.finish(values)}

    def fuse(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Fuse the maps.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            `(B, features, h', w')` of each block, coarsest first: of the size of the next finer
            map, and at last twice that of the finest.
        """
        height, width = features[0].shape[-2:]
        sizes = [(2 * height, 2 * width), *((x.shape[-2], x.shape[-1]) for x in features[:-1])]
        paths: list[Tensor] = []
        for i in reversed(range(len(features))):
            lateral = self.laterals[i](features[i])
            paths.append(self.fusions[i](lateral, paths[-1] if paths else None, sizes[i]))
        return paths

    def reset_parameters(self) -> None:
        """Initialise the parameters, with PyTorch's own rules for each layer."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
