"""The neck of a detector: an FPN over the wanted strides, for the maps of any backbone."""

from collections.abc import Sequence

from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.necks.fpn import FPN, Extra, Output
from vision.necks.pyramid import Pyramid, complete_pyramid

# Strides of the maps that an FPN merges.
STRIDES = (4, 8, 16, 32)


class Neck(nn.Module):
    """A pyramid that completes the maps of a backbone, and the FPN that merges them.

    Args:
        pyramid: One map per stride that the FPN takes.
        fpn: Its specs are the feature specs of the pyramid.

    Attributes:
        feature_specs: Channels and stride of each output map, finest first.
    """

    def __init__(self, *, pyramid: Pyramid, fpn: FPN) -> None:
        super().__init__()
        self.pyramid, self.fpn = pyramid, fpn
        self.feature_specs = fpn.feature_specs

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Turn a backbone's maps into one `(B, out_channels, H, W)` per feature spec."""
        return self.fpn(self.pyramid(maps))


def build_neck(
    specs: Sequence[FeatureSpec],
    *,
    strides: Sequence[int] = STRIDES,
    out_channels: int = 256,
    extra_levels: int = 1,
    extra: Extra = "pool",
    output: Output = "conv",
) -> Neck:
    """Build a neck for the maps of any backbone.

    Args:
        specs: Channels and stride of each of the backbone's maps.
        strides: Strides of the maps that the FPN merges.
        out_channels: Channels of every output map.
        extra_levels: Coarser levels above those.
        extra: What makes them; see `FPN`.
        output: What makes the output maps; see `FPN`, `"gnconv"` and `"gnconv_gf"` for HorFPN.

    Raises:
        ConfigError: A stride or option is not one that `Pyramid` or `FPN` takes.
    """
    pyramid = complete_pyramid(specs, strides)
    fpn = FPN(
        pyramid.feature_specs,
        out_channels=out_channels,
        extra_levels=extra_levels,
        extra=extra,
        output=output,
    )
    return Neck(pyramid=pyramid, fpn=fpn)
