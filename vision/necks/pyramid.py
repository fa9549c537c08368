"""One map per wanted stride from the maps of any backbone.

What a backbone lacks is made by the simple feature pyramid of "Exploring Plain Vision Transformer
Backbones for Object Detection", Li et al., 2022, https://arxiv.org/abs/2203.16527, section 3, for
networks of a single stride, and by stride-2 convolutions above a pyramid that ends too early.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError, shown
from vision.layers.norm import LayerNorm2d


class Resample(nn.Module):
    """Bilinear resampling of a map from one stride to another.

    Args:
        stride: Image pixels per cell of the map that is given.
        new_stride: Image pixels per cell of the result.
    """

    def __init__(self, stride: int, *, new_stride: int) -> None:
        super().__init__()
        self.stride, self.new_stride = stride, new_stride

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the nearest whole number of cells, at least one along each axis."""
        height, width = (
            max((2 * side * self.stride + self.new_stride) // (2 * self.new_stride), 1)
            for side in x.shape[-2:]
        )
        return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


class _Level(NamedTuple):
    """How one level is made: by `layer`, from a map, or from the level below if that is None."""

    source: int | None
    layer: nn.Module
    spec: FeatureSpec


class Pyramid(nn.Module):
    """Maps of any strides to one map per wanted stride; `complete_pyramid` builds it.

    - A map of a wanted stride is passed on; of several, the last, which is the deepest. Maps of
      other strides are left out.
    - A map whose stride is no power of two times a wanted one (a patch size of 14) is resampled to
      the nearest wanted stride first.
    - Finer levels than there are come from the finest map by 2 x 2 transposed convolutions of
      stride 2 that halve the channels, with layer norm and GELU between two of them.
    - Coarser levels come from the level below: by 2 x 2 max-pooling where the maps have a single
      stride, as in ViTDet, otherwise by a 3 x 3 convolution of stride 2 and layer norm.

    Without missing levels there are no parameters.

    Args:
        specs: Channels and stride of each map it is given.
        strides: Wanted strides, ascending, powers of two apart.

    Attributes:
        feature_specs: Channels and stride of each output map, finest first.
        used: Which of the given maps the output depends on, ascending.

    Raises:
        ConfigError: There are no maps, or the wanted strides are not as described.
    """

    def __init__(self, specs: Sequence[FeatureSpec], *, strides: Sequence[int]) -> None:
        super().__init__()
        _check(specs, strides)
        effective = [_effective_stride(spec.stride, strides) for spec in specs]
        # Maps of an exact stride go before resampled ones, and later maps before earlier ones.
        ranked = sorted(range(len(specs)), key=lambda i: (effective[i] == specs[i].stride, i))
        by_stride = {effective[i]: i for i in ranked}
        self.sources = sorted(by_stride.values(), key=lambda i: effective[i])
        self.inputs = nn.ModuleList(
            nn.Identity()
            if effective[i] == specs[i].stride
            else Resample(specs[i].stride, new_stride=effective[i])
            for i in self.sources
        )
        given = [FeatureSpec(specs[i].channels, effective[i]) for i in self.sources]
        levels: list[_Level] = []
        for stride in strides:
            levels.append(_make_level(given, stride, levels[-1].spec if levels else None))
        self.origins = [level.source for level in levels]
        self.used = sorted(self.sources[o] for o in set(self.origins) if o is not None)
        self.levels = nn.ModuleList(level.layer for level in levels)
        self.feature_specs = tuple(level.spec for level in levels)
        self.reset_parameters()

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Choose, resample and complete.

        Args:
            maps: One `(B, spec.channels, ~H / spec.stride, ~W / spec.stride)` per spec.

        Returns:
            One map per entry of `feature_specs`. A given map keeps its size; a level made of
            another has twice its cells along each axis, or half of them, rounded up.
        """
        given = [layer(maps[i]) for i, layer in zip(self.sources, self.inputs, strict=True)]
        outputs: list[Tensor] = []
        for origin, layer in zip(self.origins, self.levels, strict=True):
            outputs.append(layer(outputs[-1] if origin is None else given[origin]))
        return outputs

    def reset_parameters(self) -> None:
        """Initialise the parameters, with PyTorch's own rules for each layer."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | LayerNorm2d):
                module.reset_parameters()


def complete_pyramid(
    specs: Sequence[FeatureSpec], strides: Sequence[int] = (4, 8, 16, 32)
) -> Pyramid:
    """The pyramid of the wanted strides for a backbone's maps; see `Pyramid`.

    Args:
        specs: Channels and stride of each of the backbone's maps.
        strides: Wanted strides, ascending, powers of two apart.

    Raises:
        ConfigError: There are no maps, or the wanted strides are not as described.
    """
    return Pyramid(specs, strides=strides)


def used_maps(specs: Sequence[FeatureSpec], strides: Sequence[int] = (4, 8, 16, 32)) -> list[int]:
    """Which maps of a backbone a pyramid of the wanted strides depends on, ascending.

    The output norms of the others would never get a gradient.

    Args:
        specs: Channels and stride of each of the backbone's maps.
        strides: Wanted strides, ascending, powers of two apart.

    Raises:
        ConfigError: There are no maps, or the wanted strides are not as described.
    """
    with torch.device("meta"):
        return complete_pyramid(specs, strides).used


def _check(specs: Sequence[FeatureSpec], strides: Sequence[int]) -> None:
    if not specs:
        raise ConfigError("a pyramid needs at least one map; the backbone gives none.")
    if not _are_strides(strides):
        raise ConfigError(
            "strides are ascending whole numbers, powers of two apart, such as (4, 8, 16, 32); got "
            f"{shown(strides)}."
        )


def _are_strides(strides: Any) -> bool:
    """Whether a value, perhaps of a person's config, is what `strides` has to be."""
    if not isinstance(strides, list | tuple) or not strides:
        return False
    if not all(type(stride) is int and stride > 0 for stride in strides):
        return False
    ascend = all(fine < coarse for fine, coarse in pairwise(strides))
    return ascend and all(_steps(strides[0], stride) is not None for stride in strides)


def _steps(fine: int, coarse: int) -> int | None:
    """How often `fine` is doubled to give `coarse`; negative if halved; None if never."""
    steps = round(math.log2(coarse / fine))
    return steps if fine * 2.0**steps == coarse else None


def _effective_stride(stride: int, wanted: Sequence[int]) -> int:
    if _steps(stride, wanted[0]) is not None:
        return stride
    return min(wanted, key=lambda other: abs(math.log2(other / stride)))


def _make_level(given: Sequence[FeatureSpec], stride: int, below: FeatureSpec | None) -> _Level:
    """Plan the level of one stride; `given` is in ascending order, `below` the level before it."""
    finer = [i for i, spec in enumerate(given) if spec.stride <= stride]
    if not finer:
        channels = given[0].channels
        steps = _steps(stride, given[0].stride) or 0
        return _Level(0, _finer(channels, steps), FeatureSpec(max(channels >> steps, 1), stride))
    source, spec = finer[-1], given[finer[-1]]
    if spec.stride == stride:
        return _Level(source, nn.Identity(), spec)
    from_below = below is not None and below.stride >= spec.stride
    start = below if below is not None and from_below else spec
    steps = _steps(start.stride, stride) or 0
    layer = _pooled(steps) if len(given) == 1 else _coarser(start.channels, steps)
    return _Level(None if from_below else source, layer, FeatureSpec(start.channels, stride))


def _finer(channels: int, steps: int) -> nn.Sequential:
    """Double the resolution `steps` times and halve the channels each time."""
    layers: list[nn.Module] = []
    for i in range(steps):
        width = max(channels >> (i + 1), 1)
        layers.append(nn.ConvTranspose2d(max(channels >> i, 1), width, kernel_size=2, stride=2))
        if i + 1 < steps:
            layers += [LayerNorm2d(width, eps=1e-6), nn.GELU()]
    return nn.Sequential(*layers)


def _pooled(steps: int) -> nn.Sequential:
    """Halve the resolution `steps` times, rounding up, by the largest value of each cell."""
    return nn.Sequential(*(nn.MaxPool2d(2, stride=2, ceil_mode=True) for _ in range(steps)))


def _coarser(channels: int, steps: int) -> nn.Sequential:
    """Halve the resolution `steps` times, rounding up, by convolutions that keep the channels."""
    layers: list[nn.Module] = []
    for _ in range(steps):
        # The norm after it has a bias.
        layers.append(nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False))
        layers.append(LayerNorm2d(channels, eps=1e-6))
    return nn.Sequential(*layers)
