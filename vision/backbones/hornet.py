"""HorNet: a convolutional network of recursive gated convolutions.

"HorNet: Efficient High-Order Spatial Interactions with Recursive Gated Convolutions", Rao et al.,
2022, https://arxiv.org/abs/2207.14284. The global filter comes from "Global Filter Networks for
Image Classification", Rao et al., 2021, https://arxiv.org/abs/2107.00645.
Weights: raoyongming/HorNet (MIT), whose README lists the variants.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.base import BackboneOptions
from vision.backbones.conv_pyramid import EPS, ConvPyramid
from vision.contracts.features import InputSpec
from vision.errors import ConfigError
from vision.keywords import Unpack
from vision.layers.drop_path import DropPath
from vision.layers.gated_conv import RecursiveGatedConv
from vision.layers.mlp import Mlp


class HorNetBlock(nn.Module):
    """Recursive gated convolution, then a feed-forward network, both residual.

    Args:
        dim: Number of channels.
        order: Order of the gated convolution.
        scale: Factor on its spatial mixture.
        grid_size: Grid of its global filter; None for a 7 x 7 convolution.
        drop_path: Probability of dropping a branch of a sample.
        layer_scale: Initial value of the per-channel scales of the branches; 0 leaves them out.
    """

    def __init__(
        self,
        dim: int,
        *,
        order: int,
        scale: float,
        grid_size: tuple[int, int] | None = None,
        drop_path: float = 0.0,
        layer_scale: float = 1e-6,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.gnconv = RecursiveGatedConv(dim, order=order, scale=scale, grid_size=grid_size)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.mlp = Mlp(dim, hidden_dim=4 * dim)
        self.gamma1 = nn.Parameter(torch.full((dim,), layer_scale)) if layer_scale > 0 else None
        self.gamma2 = nn.Parameter(torch.full((dim,), layer_scale)) if layer_scale > 0 else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to the same shape."""
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        x = x + self.drop_path(self.gnconv(x, norm=self.norm1, out_scale=self.gamma1))
        x = x + self.drop_path(self.mlp(x, norm=self.norm2, scale=self.gamma2))
        return x.permute(0, 3, 1, 2)  # (B, C, H, W)


class HorNet(ConvPyramid):
    """HorNet backbone with maps at strides 4, 8, 16 and 32.

    Remainders of the stride-4 stem and of the stride-2 down-sampling are dropped, as published.

    Args:
        dim: Channels of the first stage; each next one has twice as many.
        depths: Blocks of each stage.
        orders: Order of the gated convolutions of each stage.
        scales: Factor on the spatial mixture of each stage.
        global_filters: For each stage the grid height and width of global filters, `(H, W // 2 +
            1)` of the map at the training size; None for 7 x 7 convolutions.
        layer_scale: Initial value of the layer scales; 0 leaves them out.
        **options: Keywords that all backbones have: see `Backbone`.

    Raises:
        ConfigError: The options of the stages differ in number, or the channels of a stage do not
            divide as its order and its filter need.
    """

    family = "hornet"
    blocks_per_level = 2

    def __init__(
        self,
        *,
        dim: int = 64,
        depths: Sequence[int] = (2, 3, 18, 2),
        orders: Sequence[int] = (2, 3, 4, 5),
        scales: Sequence[float] = (1 / 3, 1 / 3, 1 / 3, 1 / 3),
        global_filters: Sequence[Sequence[int] | None] = (None, None, None, None),
        layer_scale: float = 1e-6,
        **options: Unpack[BackboneOptions],
    ) -> None:
        super().__init__(**options)
        dims = [dim * 2**i for i in range(len(depths))]
        _check_stages(dims, orders, scales, global_filters)
        self._dims, self._orders, self._scales = dims, tuple(orders), tuple(scales)
        self._global_filters, self._layer_scale = tuple(global_filters), layer_scale
        self.build(dims, depths)

    def make_block(self, stage: int, drop_path: float) -> nn.Module:
        """A block of a stage."""
        grid = self._global_filters[stage]
        return HorNetBlock(
            self._dims[stage],
            order=self._orders[stage],
            scale=self._scales[stage],
            grid_size=None if grid is None else (grid[0], grid[1]),
            drop_path=drop_path,
            layer_scale=self._layer_scale,
        )


def _check_stages(
    dims: Sequence[int],
    orders: Sequence[int],
    scales: Sequence[float],
    global_filters: Sequence[Sequence[int] | None],
) -> None:
    if not len(dims) == len(orders) == len(scales) == len(global_filters):
        raise ConfigError(
            "HorNet needs one value per stage, got "
            f"depths: {len(dims)}, orders: {len(orders)}, scales: {len(scales)}, "
            f"global_filters: {len(global_filters)}."
        )
    for dim, order, grid in zip(dims, orders, global_filters, strict=True):
        if order < 1:
            raise ConfigError(f"HorNet's orders {order} must be at least 1.")
        # A global filter takes half of the channels, whose number is odd if the narrowest is.
        unit = 2 ** (order - 1) * (1 if grid is None else 2)
        if dim % unit:
            raise ConfigError(
                f"a HorNet stage of {dim} channels cannot have order {order}"
                f"{'' if grid is None else ' and a global filter'}: the channels must be a "
                f"multiple of {unit}. Choose another dim or lower orders."
            )


def _variants() -> dict[str, dict[str, Any]]:
    dims = {"tiny": 64, "small": 96, "base": 128, "large": 192}
    grids = (None, None, (14, 8), (7, 4))
    variants: dict[str, dict[str, Any]] = {}
    for size, dim in dims.items():
        variants[f"{size}_7x7"] = {"dim": dim}
        variants[f"{size}_gf"] = {"dim": dim, "global_filters": grids}
    variants["large_gf_384"] = {
        "dim": dims["large"],
        "global_filters": (None, None, (24, 13), (12, 7)),
        "default_input": InputSpec(size=(384, 384), crop=1.0),
    }
    return variants


# All sizes share depths, orders and scales (the constructor's defaults). Drop-path rates are
# settings of a training recipe, not of a variant.
VARIANTS = _variants()
