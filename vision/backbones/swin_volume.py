"""Swin for volumes: the encoder of Swin UNETR, which attends inside shifted 3-D windows.

"Swin UNETR: Swin Transformers for Semantic Segmentation of Brain Tumors in MRI Images",
Hatamizadeh et al., 2022, https://arxiv.org/abs/2201.01266; its second version: "SwinUNETR-V2:
Stronger Swin Transformers with Stagewise Convolutions for 3D Medical Image Segmentation", He et
al., 2023. Code: `SwinTransformer` of Project-MONAI/MONAI (Apache-2.0), whose rules for maps smaller
than a window are followed.
"""

import itertools
import operator
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.encoder import Encoder
from vision.backbones.swin import SwinBlock
from vision.contracts.features import VolumeSpec
from vision.errors import ConfigError
from vision.layers.drop_path import drop_path_rates
from vision.layers.lean import Lean
from vision.layers.residual_conv import CONVS, ResidualConv
from vision.layers.size_cache import SizeCache
from vision.layers.window import (
    ceil_div,
    pad_map,
    relative_position_index,
    shifted_window_masks,
)
from vision.layers.window_attention import WindowGroups, WindowPlan, group_order, group_sizes
from vision.ops.padding import pad_end
from vision.ops.tracing import is_traced

Merging = Literal["merging", "mergingv2"]
# Neighbours in the order of MONAI's 3-D `merging`, each by its place along the axes.
_FIRST_ORDER = (
    (0, 0, 0),
    (1, 0, 0),
    (0, 1, 0),
    (0, 0, 1),
    (1, 1, 0),
    (1, 0, 1),
    (0, 1, 1),
    (1, 1, 1),
)


class PatchEmbed(nn.Module):
    """Project patches that do not overlap.

    Args:
        in_channels: Number of channels of the volume.
        dim: Width of a token.
        patch_size: Sides of a patch in cells.
        norm: Whether a layer norm follows.
    """

    def __init__(
        self, *, in_channels: int, dim: int, patch_size: Sequence[int], norm: bool
    ) -> None:
        super().__init__()
        self.patch_size = tuple(patch_size)
        conv = CONVS[len(patch_size)]
        self.proj = conv(in_channels, dim, kernel_size=patch_size, stride=patch_size)  # type: ignore[arg-type]
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()

    def forward(self, volumes: Tensor) -> Tensor:
        """Map `(B, C_in, *size)`, completed with zeros at the end, to tokens `(B, *grid, dim)`."""
        sizes = zip(volumes.shape[2:], self.patch_size, strict=True)
        missing = [-size % side for size, side in sizes]
        return self.norm(self.proj(pad_end(volumes, missing)).movedim(1, -1))


class PatchMerging(Lean):
    """Halve a map along each axis: concatenate neighbours, normalise, project.

    Args:
        dim: Width of a token; twice as wide afterwards.
        axes: 2 for images, 3 for volumes.
        order: `"merging"` or `"mergingv2"`: the two orders in which MONAI lists 3-D neighbours.
    """

    def __init__(self, dim: int, *, axes: int, order: Merging) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2**axes * dim)
        self.reduction = nn.Linear(2**axes * dim, 2 * dim, bias=False)
        places = itertools.product((0, 1), repeat=axes)
        if axes == 3:
            self.places = list(_FIRST_ORDER if order == "merging" else places)
        else:
            # The column of a neighbour varies slower than its row.
            self.places = [place[::-1] for place in places]

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, *size, C)` to `(B, *half, 2 * C)`, halves rounded up."""
        odd = [side % 2 for side in x.shape[1:-1]]
        if any(odd):
            x = pad_map(x, odd)
        parts = [x[(slice(None), *(slice(i, None, 2) for i in place))] for place in self.places]
        merged = torch.cat(parts, dim=-1)
        return self.run_layer(self.reduction, partial(self.norm, merged))


class SwinVolume(Encoder):
    """Encoder of volumes `(B, C, D, H, W)`, or of images `(B, C, H, W)` with `axes=2`.

    Its maps are the patch embedding and the output of each stage after merging. Volumes have any
    size: patches, windows and merged neighbourhoods are completed with zeros at the end. As in
    MONAI, windows shrink to a map that is not larger and are not shifted then, along each axis.

    Args:
        in_channels: Number C of channels, such as the modalities of a scan.
        axes: 3 for volumes, 2 for images.
        patch_size: Side of a patch in cells, or one for each axis.
        dim: Channels of the first map, doubled by each later one: MONAI's `feature_size`.
        depths: Blocks of each stage.
        num_heads: Attention heads of each stage.
        window_size: Side of a window, or one for each axis.
        mlp_ratio: Hidden width of the feed-forward networks over their input's.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_rate: Probability of dropping a value of tokens, projections and feed-forward.
        attn_drop_rate: Probability of dropping an attention weight.
        drop_path_rate: Stochastic-depth rate of the last block; earlier ones rise linearly from 0.
        patch_norm: Whether the patch embedding is normalised.
        normalize: Whether the returned maps are layer-normalised, without parameters.
        merging: Order of neighbours in merging: `"merging"` or `"mergingv2"`, as MONAI's
            `downsample`.
        use_v2: Whether a residual convolution precedes each stage (SwinUNETR-V2).

    Attributes:
        dense: Always True: there is no classifier, and so no parameter that only it uses.

    Raises:
        ConfigError: An option is out of its range or does not fit another.
    """

    family = "swin_volume"
    input_conv = "patch_embed.proj.weight"
    dense = True
    feature_specs: tuple[VolumeSpec, ...]

    def __init__(
        self,
        *,
        in_channels: int = 1,
        axes: int = 3,
        patch_size: int | Sequence[int] = 2,
        dim: int = 48,
        depths: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int | Sequence[int] = 7,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        patch_norm: bool = False,
        normalize: bool = True,
        merging: Merging = "merging",
        use_v2: bool = False,
    ) -> None:
        super().__init__()
        _check_options(axes, depths, num_heads, merging)
        self.in_channels, self.axes, self.normalize = in_channels, axes, normalize
        self.num_heads = tuple(num_heads)
        self.window_size = _per_axis("window_size", window_size, axes)
        sides = _per_axis("patch_size", patch_size, axes)
        dims = [dim * 2**i for i in range(len(depths) + 1)]
        self.patch_embed = PatchEmbed(
            in_channels=in_channels, dim=dim, patch_size=sides, norm=patch_norm
        )
        self.dropout = nn.Dropout(drop_rate)
        self.convs = nn.ModuleList(
            ResidualConv(width, width, axes=axes) for width in dims[:-1] if use_v2
        )
        self.stages = nn.ModuleList()
        for i, rates in enumerate(drop_path_rates(drop_path_rate, depths)):
            blocks = [
                SwinBlock(
                    dims[i],
                    num_heads=num_heads[i],
                    window_size=self.window_size,
                    shifted=j % 2 == 1,
                    mlp_ratio=mlp_ratio,
                    qkv_bias=qkv_bias,
                    drop_rate=drop_rate,
                    attn_drop_rate=attn_drop_rate,
                    drop_path=rate,
                    recompute=True,
                )
                for j, rate in enumerate(rates)
            ]
            self.stages.append(nn.ModuleList(blocks))
        self.merges = nn.ModuleList(
            PatchMerging(width, axes=axes, order=merging) for width in dims[:-1]
        )
        self.embed_dim = dims[-1]
        self.cache = SizeCache()
        self.feature_specs = tuple(
            VolumeSpec(width, tuple(side * 2**i for side in sides)) for i, width in enumerate(dims)
        )

    def forward(self, volumes: Tensor) -> list[Tensor]:
        """Compute the pyramid.

        Args:
            volumes: `(B, C, *size)` float.

        Returns:
            A map `(B, spec.channels, *size / spec.stride)`, rounded up, per entry of
            `feature_specs`, finest first.
        """
        self.check_volumes(volumes)
        if is_traced():
            # One graph per size: patches have one, and sizes as symbols make compilation endless.
            volumes = volumes.reshape(-1, *map(operator.index, volumes.shape[1:]))
        x = self.dropout(self.patch_embed(volumes))  # (B, *grid, C)
        maps = [self._output(x, self.feature_specs[0])]
        for i, blocks in enumerate(self.stages):
            if len(self.convs):
                x = self.run_block(self.convs[i], x.movedim(-1, 1)).movedim(1, -1)
            plan = self._plan(volumes, i)
            for block in blocks.children():
                x = self.run_block(block, x, plan)
            x = self.merges[i](x)
            maps.append(self._output(x, self.feature_specs[i + 1]))
        return maps

    def check_volumes(self, volumes: Tensor) -> None:
        """Raise a `ConfigError` for volumes with another number of axes or channels."""
        if volumes.ndim != self.axes + 2 or volumes.shape[1] != self.in_channels:
            letters = ("B", "C", "D", "H", "W") if self.axes == 3 else ("B", "C", "H", "W")
            raise ConfigError(
                f"this {type(self).__name__} accepts ({', '.join(letters)}) with "
                f"C = {self.in_channels}; got {tuple(volumes.shape)}."
            )

    def _output(self, x: Tensor, spec: VolumeSpec) -> Tensor:
        """The map `(B, C, *size)` that is returned of tokens `(B, *size, C)`."""
        x = F.layer_norm(x, (spec.channels,)) if self.normalize else x
        return x.movedim(-1, 1)

    def _plan(self, volumes: Tensor, stage: int) -> WindowPlan:
        """Choose the windows of a stage for `volumes` `(B, C, *size)`."""
        stride = self.feature_specs[stage].stride
        # Plain numbers: of a size that is traced, each choice below would be an operator.
        whole = map(operator.index, volumes.shape[2:])
        size = tuple(ceil_div(n, s) for n, s in zip(whole, stride, strict=True))
        pairs = list(zip(size, self.window_size, strict=True))
        window = tuple(min(side, whole) for side, whole in pairs)
        shift = tuple(0 if side <= whole else whole // 2 for side, whole in pairs)
        grid = tuple(ceil_div(side, part) for side, part in zip(size, window, strict=True))
        device, dtype, table = volumes.device, volumes.dtype, self.window_size
        index = self.cache.get(
            ("index", window, device),
            lambda: relative_position_index(window, table, ranked=True, device=device),
        )
        if not any(shift):
            return WindowPlan(window, shift, size, grid, index)
        masks = self.cache.get(
            ("masks", window, shift, dtype, device),
            lambda: shifted_window_masks(window, shift, dtype=dtype, device=device),
        )
        order, back = self.cache.get(
            ("order", grid, shift, device), lambda: group_order(grid, shift, device=device)
        )
        kinds, counts = group_sizes(grid, shift)
        groups = WindowGroups(kinds, counts, order, back)
        return WindowPlan(window, shift, size, grid, index, masks, groups=groups)

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block, with the layers between it and the block before."""
        levels = [["patch_embed"]]
        for i, blocks in enumerate(self.stages):
            for j, _ in enumerate(blocks.children()):
                before = [f"convs.{i}", *([f"merges.{i - 1}"] if i else [])] if j == 0 else []
                levels.append([*before, f"stages.{i}.{j}"])
        return levels


def _check_options(
    axes: int, depths: Sequence[int], num_heads: Sequence[int], merging: Merging
) -> None:
    if axes not in CONVS:
        raise ConfigError(f"axes={axes} must be 2 (images) or 3 (volumes).")
    if len(num_heads) != len(depths):
        raise ConfigError(
            f"num_heads={list(num_heads)} and depths={list(depths)} must have one entry each "
            "per stage."
        )
    if merging not in ("merging", "mergingv2"):
        raise ConfigError(f"merging='{merging}' must be 'merging' or 'mergingv2'.")


def _per_axis(name: str, value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    sides = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(sides) != axes or min(sides) < 1:
        raise ConfigError(
            f"{name}={value} must be a number from 1, or {axes} of them, one an axis."
        )
    return sides


def _variants() -> dict[str, dict[str, Any]]:
    """MONAI's `feature_size` 48 as published; the smaller ones are its usual alternatives."""
    rows = {str(dim): {"dim": dim} for dim in (12, 24, 48)}
    return rows | {f"{name}_v2": {**row, "use_v2": True} for name, row in rows.items()}


VARIANTS: dict[str, dict[str, Any]] = _variants()
