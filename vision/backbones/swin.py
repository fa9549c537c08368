"""Swin: a hierarchical transformer that attends inside shifted windows.

"Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", Liu et al., 2021,
https://arxiv.org/abs/2103.14030. Weights: microsoft/Swin-Transformer (MIT). Section 3.3 of the
paper lists the variants.

The authors' classifier and their dense-prediction variant treat a map that fits into one window
differently with the same weights: the classifier drops the shift there and shrinks the window to
the map, the dense variant does neither. `embed` follows the former, `forward` the latter.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone, BackboneOptions, stage_levels
from vision.contracts.features import FeatureSpec, InputSpec
from vision.errors import ConfigError
from vision.keywords import Unpack
from vision.layers.block import PreNormBlock
from vision.layers.drop_path import drop_path_rates
from vision.layers.init import init_linear
from vision.layers.lean import Lean
from vision.layers.norm import LayerNorm2d
from vision.layers.size_cache import SizeCache
from vision.layers.window import (
    ceil_div,
    pad_map,
    relative_position_index,
    shifted_bias_rows,
    shifted_window_masks,
)
from vision.layers.window_attention import WindowAttention, WindowPlan, leave_sizes
from vision.ops.tracing import is_traced


class PatchEmbed(nn.Module):
    """Project patches that do not overlap (Section 3.1).

    Args:
        in_channels: Number of image channels.
        dim: Width of a token.
        patch_size: Side of a patch in pixels.
        norm: Whether a layer norm follows.
    """

    def __init__(self, *, in_channels: int, dim: int, patch_size: int, norm: bool) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(in_channels, dim, kernel_size=patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()

    def forward(self, images: Tensor, *, pad: bool) -> Tensor:
        """Map images to tokens.

        Args:
            images: `(B, C_in, H, W)`.
            pad: Complete the last row and column of patches with zeros, or else drop what does
                not fill a patch.

        Returns:
            `(B, ~H / patch_size, ~W / patch_size, dim)`.
        """
        if pad:
            height, width = images.shape[2:]
            rows, columns = ceil_div(height, self.patch_size), ceil_div(width, self.patch_size)
            bottom, right = rows * self.patch_size - height, columns * self.patch_size - width
            images = F.pad(images, (0, right, 0, bottom))
        return self.norm(self.proj(images).permute(0, 2, 3, 1))  # (B, H, W, C)


class PatchMerging(Lean):
    """Halve a map: concatenate each 2 x 2 neighbourhood, normalise, project (Section 3.1).

    Args:
        dim: Width of a token; twice as wide afterwards.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Map `(B, H, W, C)` to `(B, *size, 2 * C)`, where `size` is half of (H, W) rounded up."""
        x = pad_map(x, (2 * size[0] - x.shape[1], 2 * size[1] - x.shape[2]))
        # The column of a neighbour varies slower than its row, as published.
        neighbours = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = torch.cat(neighbours, dim=-1)  # (B, H / 2, W / 2, 4 * C)
        return self.run_layer(self.reduction, partial(self.norm, x))


class SwinBlock(PreNormBlock):
    """Attention inside windows, then a feed-forward network, each normalised before (Figure 3b).

    Args:
        dim: Width of a token.
        num_heads: Number of heads.
        window_size: Sides of the window that the bias table is made for.
        shifted: Whether the block shifts its windows where the plan has a shift.
        mlp_ratio: Hidden width of the feed-forward network over `dim`.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        drop_rate: Probability of dropping a value of projections and feed-forward network.
        attn_drop_rate: Probability of dropping an attention weight.
        drop_path: Probability of dropping a branch of a sample.
        recompute: As in `WindowAttention`.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        window_size: Sequence[int],
        shifted: bool,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path: float = 0.0,
        recompute: bool = False,
    ) -> None:
        attn = WindowAttention(
            dim,
            num_heads=num_heads,
            window_size=window_size,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            attn_drop_rate=attn_drop_rate,
            drop_rate=drop_rate,
            recompute=recompute,
        )
        super().__init__(
            dim, attn=attn, mlp_ratio=mlp_ratio, dropout=drop_rate, drop_path=drop_path
        )
        self.shifted = shifted

    def forward(self, x: Tensor, plan: WindowPlan) -> Tensor:
        """Map `x` `(B, *size, C)` to the same shape."""
        return super().forward(x, plan, self.shifted)


class Swin(Backbone):
    """Swin backbone with maps at strides 4, 8, 16 and 32 (for patches of 4 pixels).

    `forward` completes patches, windows and merged neighbourhoods with zeros at the right and
    bottom. `embed` drops the pixels that do not fill a patch.

    Args:
        patch_size: Side of a patch in pixels.
        dim: Channels of the first stage, doubled by each later one.
        depths: Blocks of each stage.
        num_heads: Attention heads of each stage.
        window_size: Side of a window.
        mlp_ratio: Hidden width of the feed-forward networks over their input's.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        drop_rate: Probability of dropping a value of tokens, projections and feed-forward.
        attn_drop_rate: Probability of dropping an attention weight.
        ape: Whether an absolute position embedding is added to the tokens.
        patch_norm: Whether the patch embedding is normalised.
        img_size: Image height and width for which the authors' classifier makes its tables: a
            stage whose map there is smaller than the window has its tables made for the map, and
            the absolute position embedding fits that image. None keeps the tables whole.
        pretrain_img_size: Image height and width that the absolute position embedding fits where
            `img_size` is None.
        **options: Keywords that all backbones have: see `Backbone`.
    """

    family = "swin"
    input_conv = "patch_embed.proj.weight"

    def __init__(
        self,
        *,
        patch_size: int = 4,
        dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        ape: bool = False,
        patch_norm: bool = True,
        img_size: int | Sequence[int] | None = None,
        pretrain_img_size: int | Sequence[int] = 224,
        **options: Unpack[BackboneOptions],
    ) -> None:
        super().__init__(**options)
        count = self.choose_outputs(len(depths))
        _check_lengths(num_heads, depths)
        dims = [dim * 2**i for i in range(len(depths))]
        windows = _table_windows(window_size, len(depths), patch_size, img_size)

        self.num_heads = tuple(num_heads)
        self.table_windows = windows[:count]
        self.patch_embed = PatchEmbed(
            in_channels=self.in_channels, dim=dim, patch_size=patch_size, norm=patch_norm
        )
        self.position_grid = _grid(pretrain_img_size if img_size is None else img_size, patch_size)
        self.absolute_pos_embed = (
            _position_table(math.prod(self.position_grid), dim) if ape else None
        )
        self.dropout = nn.Dropout(drop_rate)
        # By the stage that each precedes.
        self.merges = nn.ModuleDict({str(i): PatchMerging(dims[i - 1]) for i in range(1, count)})
        make_block = partial(
            SwinBlock,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
        )
        self.stages = nn.ModuleList()
        for i, rates in enumerate(drop_path_rates(self._drop_path_rate, depths)[:count]):
            make = partial(
                make_block, dims[i], num_heads=num_heads[i], window_size=[windows[i]] * 2
            )
            blocks = [make(shifted=j % 2 == 1, drop_path=rate) for j, rate in enumerate(rates)]
            self.stages.append(nn.ModuleList(blocks))

        self.norm = nn.Identity() if self.dense else nn.LayerNorm(dims[-1])
        self.embed_dim = dims[-1]
        self.cache = SizeCache()
        specs = [FeatureSpec(dim, patch_size * 2**i) for i, dim in enumerate(dims)]
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
        """Maps `(B, C, H, W)` of the first `count` stages.

        The classifier's rule for a map whose smaller side is at most the window: no shift, and
        the window shrinks to that side. The dense variant always shifts and pads to whole windows.
        """
        x = self._add_positions(self.patch_embed(images, pad=not classifier))
        maps = []
        for i, blocks in enumerate(self.stages[:count]):
            plan = self._plan(images, i, classifier=classifier)
            if i > 0:
                x = self.merges[str(i)](x, plan.size)
            if self.compiles_blocks:
                plan = leave_sizes(plan)
            for block in blocks.children():
                x = self.run_block(block, x, plan)
            maps.append(x.permute(0, 3, 1, 2))  # (B, C, H, W)
        return maps

    def _add_positions(self, x: Tensor) -> Tensor:
        """Add the absolute position embedding, resized to the map of `x` `(B, H, W, C)`."""
        if self.absolute_pos_embed is not None:
            size = (x.shape[1], x.shape[2])
            table = self.absolute_pos_embed.unflatten(1, self.position_grid)  # (1, H, W, C)
            if is_traced() or self.position_grid != size:
                table = table.permute(0, 3, 1, 2)  # (1, C, H, W)
                table = F.interpolate(table, size=size, mode="bicubic", align_corners=False)
                table = table.permute(0, 2, 3, 1)
            x = x + table
        return self.dropout(x)

    def _plan(self, images: Tensor, stage: int, *, classifier: bool) -> WindowPlan:
        """Choose the windows of a stage for `images` `(B, C_in, H, W)`."""
        patch = self.patch_embed.patch_size
        height, width = images.shape[2:]
        if classifier:
            # Rounding these up is rounding the image down to whole patches.
            height, width = height - patch + 1, width - patch + 1
        # Sizes come from the image's and not from the stage before: rounding up once is rounding
        # up at every stage, and nested roundings make compilation for all sizes slow.
        stride = patch * 2**stage
        size = (ceil_div(height, stride), ceil_div(width, stride))
        table_window, side = self.table_windows[stage], self.table_windows[stage]
        if classifier and min(size) <= side:
            side, shift = min(size), (0, 0)
        else:
            shift = (side // 2, side // 2)
        grid = (ceil_div(height, stride * side), ceil_div(width, stride * side))
        window, table = (side, side), (table_window, table_window)
        device, dtype, heads = images.device, images.dtype, self.num_heads[stage]
        index = self.cache.get(
            ("index", window, table, device),
            lambda: relative_position_index(window, table, device=device),
        )
        if not any(shift):
            return WindowPlan(window, shift, size, grid, index)
        masks = self.cache.get(
            ("masks", window, shift, dtype, device),
            lambda: shifted_window_masks(window, shift, dtype=dtype, device=device),
        )
        rows = self.cache.get(
            ("rows", grid, heads, device), lambda: shifted_bias_rows(grid, heads, device=device)
        )
        return WindowPlan(window, shift, size, grid, index, masks, rows)

    def no_weight_decay(self) -> set[str]:
        """The position embedding and the tables of relative-position biases."""
        words = ("absolute_pos_embed", "relative_position_bias_table")
        return {name for name, _ in self.named_parameters() if name.endswith(words)}

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block; patch merging goes with the block that follows it."""
        stem = ["patch_embed", "absolute_pos_embed"]
        return stage_levels(self.stages, stem=stem, entry="merges.{}")


def _check_lengths(num_heads: Sequence[int], depths: Sequence[int]) -> None:
    if len(num_heads) != len(depths):
        raise ConfigError(
            f"num_heads={list(num_heads)} and depths={list(depths)} must have one entry each "
            "per stage."
        )


def _grid(img_size: int | Sequence[int], patch_size: int) -> tuple[int, int]:
    """Patches along the height and width of an image."""
    height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    return height // patch_size, width // patch_size


def _position_table(positions: int, dim: int) -> nn.Parameter:
    table = torch.empty(1, positions, dim)  # (1, N, C)
    return nn.Parameter(nn.init.trunc_normal_(table, std=0.02))


def _table_windows(
    window_size: int, stages: int, patch_size: int, img_size: int | Sequence[int] | None
) -> list[int]:
    """Window of each stage for which the authors' classifier makes the tables."""
    if img_size is None:
        return [window_size] * stages
    smaller = min(_grid(img_size, patch_size))
    return [max(1, min(window_size, smaller // 2**i)) for i in range(stages)]


# Section 3.3; windows of 12 are for images of 384 pixels. Drop-path rates are settings of a
# training recipe, not of a variant.
_LARGE_INPUT = InputSpec(size=(384, 384), crop=1.0)
_BASE = {"dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)}
_LARGE = {"dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48)}
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny": {"dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24)},
    "small": {"dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24)},
    "base": _BASE,
    "large": _LARGE,
    "base_window12": {**_BASE, "window_size": 12, "default_input": _LARGE_INPUT},
    "large_window12": {**_LARGE, "window_size": 12, "default_input": _LARGE_INPUT},
}
