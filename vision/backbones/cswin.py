"""CSWin: a hierarchical transformer that attends inside cross-shaped windows.

"CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows", Dong et al.,
2021, https://arxiv.org/abs/2107.00652. Weights: microsoft/CSWin-Transformer (MIT). Table 1 of the
paper lists the variants.

The authors' classifier gives one branch over the whole map to a stage whose map is as large as its
stripes are wide. Two branches compute the same there, since each of their stripes is the whole
map, so that only the shapes of published weights tell the two apart.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone, BackboneOptions, stage_levels
from vision.contracts.features import FeatureSpec, InputSpec
from vision.errors import ConfigError
from vision.keywords import Unpack
from vision.layers.attention import attend, is_exporting
from vision.layers.block import PreNormBlock
from vision.layers.drop_path import drop_path_rates
from vision.layers.init import init_linear
from vision.layers.lean import Lean
from vision.layers.norm import LayerNorm2d
from vision.layers.window import ceil_div, pad_map, regroup


class StripeAttention(Lean):
    """Attention inside stripes with a locally enhanced position encoding (Sections 3.2 and 3.3).

    The first half of the channels and heads attends inside vertical stripes as high as the map,
    the second half inside horizontal stripes as wide as the map. To the result is added a 3 x 3
    depthwise convolution of the values of the same stripe (equation 7).

    Args:
        dim: Width of a token.
        num_heads: Number of heads. An odd number is rounded down to two equal branches.
        split_size: Width of a stripe; None attends over the whole map in a single branch.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        attn_drop_rate: Probability of dropping an attention weight.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        split_size: int | None,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        attn_drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.branches = 1 if split_size is None else 2
        self.branch_heads = num_heads // self.branches
        if self.branch_heads == 0 or dim % (self.branches * self.branch_heads):
            raise ConfigError(
                f"a width of {dim} cannot be shared by num_heads={num_heads} in "
                f"{self.branches} branch(es); give every branch heads that divide its channels."
            )
        self.split_size = split_size
        head_dim = dim // (self.branches * self.branch_heads)
        self.scale = qk_scale or head_dim**-0.5
        self.attn_drop_rate = attn_drop_rate
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.lepe = nn.Conv2d(dim, dim, kernel_size=3, padding=1, groups=dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, *, norm: nn.Module | None = None) -> Tensor:
        """Map `x` `(B, H, W, C)` to the same shape; `norm` normalises it first, if there is one."""
        qkv = self.run_layer(self.qkv, lambda: x if norm is None else norm(x))
        half = x.shape[-1] // 2
        kernel, bias = self.lepe.weight, self.lepe.bias
        if self.split_size is None:
            return self.run_layer(self.proj, self._attend(qkv, x.shape[1], kernel, bias))
        vertical, horizontal = qkv.unflatten(-1, (3, 2, half)).unbind(-2)  # (B, H, W, 3, C / 2)
        # Vertical stripes of a map are horizontal stripes of its transpose.
        add_vertical = self._attend(
            vertical.transpose(1, 2).contiguous().flatten(3),
            self.split_size,
            kernel[:half].transpose(2, 3),
            None if bias is None else bias[:half],
        )
        add_horizontal = self._attend(
            horizontal.contiguous().flatten(3),
            self.split_size,
            kernel[half:],
            None if bias is None else bias[half:],
        )
        return self.run_layer(
            self.proj, lambda: torch.cat([add_vertical().transpose(1, 2), add_horizontal()], dim=-1)
        )

    def _attend(
        self, qkv: Tensor, rows: int, kernel: Tensor, bias: Tensor | None
    ) -> Callable[[], Tensor]:
        """Attend inside horizontal stripes.

        Args:
            qkv: `(B, H, W, 3 * c)` queries, keys and values of a branch with c channels.
            rows: Height of a stripe.
            kernel: `(c, 1, 3, 3)` of the position encoding.
            bias: `(c,)` of the position encoding.

        Returns:
            Adds the position encoding to the result: `(B, H, W, c)`. Both are made from what the
            gradient of the attention needs anyway.
        """
        batch, height, width, channels = qkv.shape
        stripes = ceil_div(height, rows)
        missing = stripes * rows - height
        top, bottom = missing // 2, missing - missing // 2
        # Zeros enter after the projection and are not masked: they dilute the softmax.
        qkv = pad_map(qkv, (bottom, 0), before=(top, 0))
        tokens = regroup(qkv, batch * stripes, rows * width)
        tokens = tokens.unflatten(-1, (3, self.branch_heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = tokens.unbind()  # (B * stripes, heads, N, D)
        dropout = self.attn_drop_rate if self.training else 0.0
        out = attend(q, k, v, scale=self.scale, dropout=dropout)
        out = out.transpose(1, 2).flatten(2)  # (B * stripes, N, c)
        values = regroup(qkv, batch * stripes, rows, width)[..., 2 * channels // 3 :]

        def add() -> Tensor:
            positions = _convolve_depthwise(values, kernel, bias)  # (B * stripes, rows, W, c)
            x = regroup(out, batch, stripes * rows, width)
            x = x + regroup(positions, batch, stripes * rows, width)
            return pad_map(x, (-bottom, 0), before=(-top, 0))

        return add


def _convolve_depthwise(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve `x` `(B, H, W, C)` with a kernel `(C, 1, 3, 3)` per channel, zeros outside."""
    if torch.compiler.is_compiling() and not is_exporting():
        # The CPU's choice of a convolution kernel depends on the number of stripes and would make
        # a graph per choice; shifted products do not, and compile to one loop.
        rows, columns = x.shape[1:3]
        padded = F.pad(x, (0, 0, 1, 1, 1, 1))
        products = [
            padded[:, i : i + rows, j : j + columns] * kernel[:, 0, i, j]
            for i in range(3)
            for j in range(3)
        ]
        return sum(products[1:], products[0]) + (0 if bias is None else bias)
    x = x.permute(0, 3, 1, 2)  # (B, C, H, W)
    return F.conv2d(x, kernel, bias, padding=1, groups=kernel.shape[0]).permute(0, 2, 3, 1)


class CSWinBlock(PreNormBlock):
    """Stripe attention, then a feed-forward network, each normalised before (equation 8).

    Args:
        dim: Width of a token.
        num_heads: Number of heads.
        split_size: Width of a stripe; None attends over the whole map in a single branch.
        mlp_ratio: Hidden width of the feed-forward network over `dim`.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        drop_rate: Probability of dropping a value in the feed-forward network.
        attn_drop_rate: Probability of dropping an attention weight.
        drop_path: Probability of dropping a branch of a sample.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        split_size: int | None,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        attn = StripeAttention(
            dim,
            num_heads=num_heads,
            split_size=split_size,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            attn_drop_rate=attn_drop_rate,
        )
        super().__init__(
            dim, attn=attn, mlp_ratio=mlp_ratio, dropout=drop_rate, drop_path=drop_path
        )


class CSWin(Backbone):
    """CSWin backbone with maps at strides 4, 8, 16 and 32.

    The stem rounds sizes as a 7 x 7 convolution of stride 4 and padding 2 does; each later stage
    has half the size of the one before, rounded up.

    Args:
        dim: Channels of the first stage, doubled by each later one; or the channels of each stage.
        depths: Blocks of each stage.
        split_sizes: Width of the stripes of each stage; the last stage attends over its whole map
            and ignores its entry.
        num_heads: Attention heads of each stage.
        mlp_ratio: Hidden width of the feed-forward networks over their input's.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        drop_rate: Probability of dropping a value in the feed-forward networks.
        attn_drop_rate: Probability of dropping an attention weight.
        **options: Keywords that all backbones have: see `Backbone`.
    """

    family = "cswin"
    input_conv = "downsample.0.0.weight"

    def __init__(
        self,
        *,
        dim: int | Sequence[int] = 64,
        depths: Sequence[int] = (1, 2, 21, 1),
        split_sizes: Sequence[int] = (1, 2, 7, 7),
        num_heads: Sequence[int] = (2, 4, 8, 16),
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        **options: Unpack[BackboneOptions],
    ) -> None:
        super().__init__(**options)
        stages = len(depths)
        count = self.choose_outputs(stages)
        dims = [dim * 2**i for i in range(stages)] if isinstance(dim, int) else list(dim)
        if not len(dims) == len(split_sizes) == len(num_heads) == stages:
            raise ConfigError(
                f"depths={list(depths)}, split_sizes={list(split_sizes)}, "
                f"num_heads={list(num_heads)} and dim={dim} must have one entry each per stage."
            )

        make_block = partial(
            CSWinBlock,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
        )
        self.downsample = nn.ModuleList([_stem(self.in_channels, dims[0])])
        self.downsample.extend(_halve(dims[i - 1], dims[i]) for i in range(1, count))
        self.stages = nn.ModuleList()
        for i, rates in enumerate(drop_path_rates(self._drop_path_rate, depths)[:count]):
            split_size = split_sizes[i] if i < stages - 1 else None
            make = partial(make_block, dims[i], num_heads=num_heads[i], split_size=split_size)
            self.stages.append(nn.ModuleList(make(drop_path=rate) for rate in rates))

        self.norm = nn.Identity() if self.dense else nn.LayerNorm(dims[-1])
        self.embed_dim = dims[-1]
        specs = [FeatureSpec(dim, 4 * 2**i) for i, dim in enumerate(dims)]
        self.set_outputs(specs, LayerNorm2d)
        self.apply(init_linear)

    def embed(self, images: Tensor) -> Tensor:
        """Normalise the last map, then pool it: `(B, C_in, H, W)` to `(B, embed_dim)`."""
        self.check_can_embed()
        self.check_images(images)
        last = self.forward_stages(images, len(self.stages), classifier=True)[-1]
        return self.norm(last.permute(0, 2, 3, 1)).mean(dim=(1, 2))

    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        """Maps `(B, C, H, W)` of the first `count` stages; classifier and dense variant agree."""
        # Convolutions keep this memory order, in which a map's tokens need no copies.
        x = images.contiguous(memory_format=torch.channels_last)
        maps = []
        for downsample, blocks in zip(self.downsample[:count], self.stages[:count], strict=True):
            x = downsample(x).permute(0, 2, 3, 1)  # (B, H, W, C)
            for block in blocks.children():
                x = self.run_block(block, x)
            x = x.permute(0, 3, 1, 2)  # (B, C, H, W)
            maps.append(x)
        return maps

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block; a down-sampling layer goes with the block that follows it."""
        return stage_levels(self.stages, stem=["downsample.0"], entry="downsample.{}")


def _stem(in_channels: int, dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, dim, kernel_size=7, stride=4, padding=2), LayerNorm2d(dim)
    )


def _halve(in_dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_dim, out_dim, kernel_size=3, stride=2, padding=1), LayerNorm2d(out_dim)
    )


# Table 1; stripes of 12 are for images of 384 pixels. Drop-path rates are settings of a training
# recipe, not of a variant.
_INPUT = InputSpec(crop=0.9)
_LARGE_INPUT = InputSpec(size=(384, 384), crop=1.0)
_SMALL = {"depths": (2, 4, 32, 2), "default_input": _INPUT}
_BASE = {**_SMALL, "dim": 96, "num_heads": (4, 8, 16, 32)}
_LARGE = {**_SMALL, "dim": 144, "num_heads": (6, 12, 24, 24)}
_WIDE_STRIPES = {"split_sizes": (1, 2, 12, 12), "default_input": _LARGE_INPUT}
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny": {"dim": 64, "depths": (1, 2, 21, 1), "default_input": _INPUT},
    "small": {**_SMALL, "dim": 64},
    "base": _BASE,
    "large": _LARGE,
    "base_384": {**_BASE, **_WIDE_STRIPES},
    "large_384": {**_LARGE, **_WIDE_STRIPES},
}
