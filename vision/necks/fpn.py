"""The feature pyramid network: coarse meaning carried down to fine maps.

"Feature Pyramid Networks for Object Detection", Lin et al., 2017,
https://arxiv.org/abs/1612.03144, section 3. The extra levels follow Faster R-CNN ("pool"),
RetinaNet, 2017, section 4 ("conv_input") and FCOS, 2019, section 3.2 ("conv_output").
HorFPN is from "HorNet: Efficient High-Order Spatial Interactions with Recursive Gated
Convolutions", Rao et al., 2022, https://arxiv.org/abs/2207.14284, section 3.3, as in
raoyongming/HorNet (GNFPN).
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.layers.gated_conv import GatedConv2d

Extra = Literal["pool", "conv_input", "conv_output"]
Output = Literal["conv", "gnconv", "gnconv_gf"]
# Height and width of the learned spectrum of HorFPN's global filter: of a map of 32 x 32.
GRID = (32, 17)


class _Conv3x3(nn.Conv2d):
    """A 3 x 3 convolution that keeps channels and size."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim, kernel_size=3, padding=1)


OUTPUTS: dict[Output, Callable[[int], nn.Module]] = {
    "conv": _Conv3x3,
    "gnconv": GatedConv2d,
    "gnconv_gf": partial(GatedConv2d, grid_size=GRID),
}


class FPN(nn.Module):
    """Lateral 1 x 1 convolutions, a top-down path of sums, 3 x 3 output convolutions.

    A coarser map is added to the next finer one after nearest up-sampling to just its size, so that
    maps whose sides were rounded up or down fit.

    Args:
        specs: Channels and stride of each map it is given, finest first.
        out_channels: Channels of every output map.
        extra_levels: Levels above the coarsest map, each of twice the stride of the one below.
        extra: What makes them: `"pool"` takes every second cell of the level below,
            `"conv_input"` a stride-2 3 x 3 convolution of the coarsest input map, `"conv_output"`
            one of the coarsest output map; either convolution is followed by one of the level
            below, for `"conv_output"` after a ReLU.
        output: What makes each output map: `"conv"` a 3 x 3 convolution; HorFPN has recursive gated
            convolutions of order 2 instead, `"gnconv"` with a 7 x 7 depth-wise convolution,
            `"gnconv_gf"` with a global filter. The channels are a multiple of 2, or
            of 4.

    Attributes:
        feature_specs: Channels and stride of each output map, finest first.

    Raises:
        ConfigError: The specs are empty or not in the order of their strides, or `extra` is
            unknown, or `output`, or that does not fit the channels.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        out_channels: int = 256,
        extra_levels: int = 1,
        extra: Extra = "pool",
        output: Output = "conv",
    ) -> None:
        super().__init__()
        strides = [spec.stride for spec in specs]
        if not strides or any(fine >= coarse for fine, coarse in pairwise(strides)):
            raise ConfigError(
                f"FPN accepts maps of growing stride, finest first; got strides {strides}. "
                "Put a Pyramid before it (vision.necks.build.build_neck does)."
            )
        if extra not in get_args(Extra):
            raise ConfigError(f"extra is one of {', '.join(get_args(Extra))}; got {extra!r}.")
        if output not in OUTPUTS:
            raise ConfigError(f"output is one of {', '.join(OUTPUTS)}; got {output!r}.")
        unit = {"gnconv": 2, "gnconv_gf": 4}.get(output, 1)
        if out_channels % unit:
            raise ConfigError(
                f"output={output!r} needs out_channels that are a multiple of {unit}; got "
                f"{out_channels}."
            )
        if extra_levels < 0:
            raise ConfigError(f"extra_levels is 0 or more; got {extra_levels}.")
        self.extra, self.extra_levels = extra, extra_levels
        self.laterals = nn.ModuleList(
            nn.Conv2d(spec.channels, out_channels, kernel_size=1) for spec in specs
        )
        self.outputs = nn.ModuleList(OUTPUTS[output](out_channels) for _ in specs)
        first = specs[-1].channels if extra == "conv_input" else out_channels
        self.extras = nn.ModuleList(
            nn.Conv2d(first if i == 0 else out_channels, out_channels, 3, stride=2, padding=1)
            for i in range(0 if extra == "pool" else extra_levels)
        )
        strides += [strides[-1] << (i + 1) for i in range(extra_levels)]
        self.feature_specs = tuple(FeatureSpec(out_channels, stride) for stride in strides)
        self.reset_parameters()

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Merge the maps of a pyramid.

        Args:
            maps: One `(B, spec.channels, H, W)` per spec, finest first.

        Returns:
            One map `(B, out_channels, H, W)` per entry of `feature_specs`, of the sizes given;
            each extra level has half the cells of the one below along each axis, rounded up.
        """
        merged = [lateral(features) for lateral, features in zip(self.laterals, maps, strict=True)]
        for i in range(len(merged) - 1, 0, -1):
            size = merged[i - 1].shape[-2:]
            merged[i - 1] = merged[i - 1] + F.interpolate(merged[i], size=size, mode="nearest")
        outputs = [output(features) for output, features in zip(self.outputs, merged, strict=True)]
        outputs += self._extra(maps[-1] if self.extra == "conv_input" else outputs[-1])
        return outputs

    def reset_parameters(self) -> None:
        """Initialise the parameters: uniform after Glorot and Bengio, 2010, and no bias."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for output in self.outputs:
            if isinstance(output, GatedConv2d):
                output.reset_parameters()

    def _extra(self, features: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        for i in range(self.extra_levels):
            if self.extra == "pool":
                features = F.max_pool2d(features, kernel_size=1, stride=2)
            else:
                if i > 0 and self.extra == "conv_output":
                    features = F.relu(features)
                features = self.extras[i](features)
            levels.append(features)
        return levels
