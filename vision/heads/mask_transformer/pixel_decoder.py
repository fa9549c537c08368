"""The pixel decoder of kMaX-DeepLab: from the coarsest map of a pyramid down to the finest."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import FeatureSpec
from vision.heads.mask_transformer.axial_attention import AxialAttention2d
from vision.heads.mask_transformer.conv_norm import ConvNorm
from vision.layers.norm import LayerNorm2d
from vision.layers.size_cache import SizeCache
from vision.ops.interpolation import resize_by_width

StageKind = Literal["axial", "bottleneck"]
# Channels of a stage's output for each of its width.
EXPANSION = 4


class PixelBlock(nn.Module):
    """A residual block whose input is activated first, for the shortcut too.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        width: Channels within the branch.
        mixer: What joins cells, a module from `width` to `width` channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, width: int, mixer: nn.Module
    ) -> None:
        super().__init__()
        self.reduce = ConvNorm(in_channels, width, act=True)
        self.mixer = mixer
        self.expand = ConvNorm(width, out_channels, norm_scale=0.0)
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else ConvNorm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to `(B, out_channels, H, W)`."""
        x = F.gelu(x)
        branch: Tensor = self.expand(self.mixer(self.reduce(x)))
        return self.shortcut(x) + branch


class Fusion(nn.Module):
    """Adds a coarse map to a finer one, of which either is projected if its width differs.

    Args:
        low_channels: Channels of the coarse map.
        high_channels: Channels of the fine map.
        out_channels: Channels C of the sum.
    """

    def __init__(self, low_channels: int, high_channels: int, out_channels: int) -> None:
        super().__init__()
        self.low = _projection(low_channels, out_channels)
        self.high = _projection(high_channels, out_channels)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Add `low` `(B, C', h, w)` to `high` `(B, C", H, W)`; `(B, C, H, W)`."""
        if self.low is not None:
            low = self.low(F.gelu(low))
        if self.high is not None:
            high = self.high(F.gelu(high))
        return resize_by_width(low, (high.shape[-2], high.shape[-1])) + high


class PixelDecoder(nn.Module):
    """Stages of residual blocks, from the coarsest map to the finest.

    "k-means Mask Transformer", Yu et al., 2022, https://arxiv.org/abs/2207.04044, with
    the axial blocks of "MaX-DeepLab", Wang et al., 2020, https://arxiv.org/abs/2012.00759. Between
    two stages the map is enlarged and added to the next map of the backbone. The size of the images
    need not be known: relative positions are looked up for the sizes that are seen.

    Args:
        specs: Channels and stride of each map, finest first.
        channels: Width of each stage, coarsest first; its output has four times as many channels.
        depths: Number of blocks of each stage.
        kinds: Kind of the blocks of each stage: axial attention or a 3 x 3 bottleneck.
        num_heads: Heads of the axial attention.

    Attributes:
        out_channels: Channels of each stage's output, coarsest first.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        channels: Sequence[int],
        depths: Sequence[int],
        kinds: Sequence[StageKind],
        num_heads: int,
    ) -> None:
        super().__init__()
        widths = [spec.channels for spec in specs][::-1]
        self.out_channels = [EXPANSION * width for width in channels]
        self.norms = nn.ModuleList(LayerNorm2d(width, eps=1e-6) for width in widths)
        self.fusions = nn.ModuleList(
            Fusion(low, high, out)
            for low, high, out in zip(self.out_channels[:-1], widths[1:], channels[1:], strict=True)
        )
        cache = SizeCache()
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(_block(kind, out if j else first, width, num_heads, cache) for j in range(depth))
            )
            for kind, depth, first, width, out in zip(
                kinds, depths, [widths[0], *channels[1:]], channels, self.out_channels, strict=True
            )
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode a pyramid.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            The output `(B, out_channels[i], h, w)` of each stage, coarsest first.
        """
        maps = [norm(x) for norm, x in zip(self.norms, features[::-1], strict=True)]
        x = self.stages[0](maps[0])
        outputs = [x]
        for fusion, stage, finer in zip(self.fusions, self.stages[1:], maps[1:], strict=True):
            x = stage(fusion(x, finer))
            outputs.append(x)
        return outputs


def _block(
    kind: StageKind, in_channels: int, width: int, num_heads: int, cache: SizeCache
) -> PixelBlock:
    out_channels = EXPANSION * width
    if kind == "bottleneck":
        mixer: nn.Module = ConvNorm(width, width, kernel_size=3, act=True)
        return PixelBlock(in_channels, out_channels, width=width, mixer=mixer)
    # Values are twice as wide as keys.
    mixer = AxialAttention2d(2 * width, key_channels=width, num_heads=num_heads, cache=cache)
    return PixelBlock(in_channels, out_channels, width=2 * width, mixer=mixer)


def _projection(in_channels: int, out_channels: int) -> ConvNorm | None:
    return None if in_channels == out_channels else ConvNorm(in_channels, out_channels)
