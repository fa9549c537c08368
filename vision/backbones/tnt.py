"""TNT: a small transformer over the words of each patch inside a transformer over the patches.

"Transformer in Transformer", Han et al., 2021, https://arxiv.org/abs/2103.00112.
Weights: huawei-noah/Efficient-AI-Backbones, tnt_pytorch (Apache-2.0). The paper's Table 1 lists
the variants. Patches are called outer tokens here and the words inside them inner tokens.

Letters: c width of the inner tokens, S words of a patch.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone, BackboneOptions
from vision.contracts.features import FeatureSpec, InputSpec
from vision.errors import ConfigError
from vision.keywords import Unpack
from vision.layers.attention import attend
from vision.layers.block import PreNormBlock
from vision.layers.drop_path import drop_path_rates
from vision.layers.init import init_linear
from vision.layers.lean import Lean
from vision.layers.norm import LayerNorm2d
from vision.ops.tracing import is_traced


class Attention(Lean):
    """Multi-head self-attention over all tokens.

    Args:
        dim: Width of the tokens.
        num_heads: Number of heads.
        qkv_bias: Whether the layer that makes queries, keys and values has a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        attn_dropout: Probability of dropping an attention weight.
        dropout: Probability of dropping a value of the output.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        qkv_bias: bool = False,
        qk_scale: float | None = None,
        attn_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qk_scale = qk_scale
        self.attn_dropout = attn_dropout
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, *, norm: nn.Module | None = None) -> Tensor:
        """Map `x` `(B, N, C)` to the same shape; `norm` normalises it first, if there is one."""
        qkv = self.run_layer(self.qkv, lambda: x if norm is None else norm(x))
        qkv = qkv.unflatten(-1, (3, self.num_heads, -1))  # (B, N, 3, heads, D)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, N, D)
        dropout = self.attn_dropout if self.training else 0.0
        out = attend(query, key, value, scale=self.qk_scale, dropout=dropout)
        return self.dropout(self.proj(out.transpose(1, 2).flatten(2)))  # (B, N, C)


class ChannelGate(nn.Module):
    """Squeeze-and-excitation over tokens: scale the channels by 1 + tanh of their mean's MLP.

    Args:
        dim: Width of the tokens; the hidden layer has a quarter of it.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, dim // 4)
        self.fc2 = nn.Linear(dim // 4, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, N, C)` to the same shape."""
        mean = self.norm(x.mean(dim=1, keepdim=True))  # (B, 1, C)
        return x * (1 + self.fc2(self.fc1(mean).relu()).tanh())


class TransformerLayer(PreNormBlock):
    """Pre-norm attention and feed-forward network, each with a residual (section 2).

    Args:
        dim: Width of the tokens.
        num_heads: Number of attention heads.
        mlp_ratio: Hidden width of the feed-forward network, in widths of the tokens.
        qkv_bias: Whether the layer that makes queries, keys and values has a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        gate: Whether a `ChannelGate` follows the feed-forward network.
        dropout: Probability of dropping a value of either branch.
        attn_dropout: Probability of dropping an attention weight.
        drop_path: Probability of dropping a branch of a sample.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        mlp_ratio: float,
        qkv_bias: bool,
        qk_scale: float | None,
        gate: bool = False,
        dropout: float = 0.0,
        attn_dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        attn = Attention(
            dim,
            num_heads=num_heads,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            attn_dropout=attn_dropout,
            dropout=dropout,
        )
        super().__init__(dim, attn=attn, mlp_ratio=mlp_ratio, dropout=dropout, drop_path=drop_path)
        self.gate = ChannelGate(dim) if gate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, N, C)` to the same shape."""
        x = x + self.drop_path(self.attn(x, norm=self.norm1))
        return x + self.drop_path(self.gate(self.mlp(x, norm=self.norm2)))


class WordsToPatch(Lean):
    """Project all words of a patch together to the width of the patch (section 2.2).

    Args:
        inner_dim: Width of a word.
        num_words: Words of a patch.
        dim: Width of the patch.
        bias: Whether the linear layer has a bias.
    """

    def __init__(self, inner_dim: int, *, num_words: int, dim: int, bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(num_words * inner_dim)
        self.proj = nn.Linear(num_words * inner_dim, dim, bias=bias)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, inner: Tensor, batch: int) -> Tensor:
        """Map words `(B * N, S, c)` of `batch` images to patches `(B, N, C)`."""
        words = inner.flatten(1).unflatten(0, (batch, -1))  # (B, N, S * c)
        return self.norm2(self.run_layer(self.proj, partial(self.norm1, words)))


class TNTBlock(nn.Module):
    """A transformer layer over words, their sum into patches, one over patches (Figure 1).

    Args:
        inner: The layer over the words of a patch.
        words_to_patch: Carries the words into the patches.
        outer: The layer over class token and patches.
    """

    def __init__(self, *, inner: nn.Module, words_to_patch: nn.Module, outer: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.words_to_patch = words_to_patch
        self.outer = outer

    def forward(self, inner: Tensor, outer: Tensor) -> tuple[Tensor, Tensor]:
        """Map `inner` `(B * N, S, c)` and `outer` `(B, 1 + N, C)` to the same shapes."""
        inner = self.inner(inner)
        class_token, patches = outer[:, :1], outer[:, 1:]
        patches = patches + self.words_to_patch(inner, outer.shape[0])
        return inner, self.outer(torch.cat([class_token, patches], dim=1))


class TNT(Backbone):
    """TNT backbone: every block gives a map of the same stride, the patch size.

    Deviations from the authors' code, which accepts images of one size only: the image is padded
    with zeros at the right and bottom to whole patches, and the position table of the patches is
    resized bicubically (corners not aligned) for a grid other than its own. The authors' unused
    frozen tensor `outer_tokens` is not made. There is no published dense-prediction variant:
    `out_norm` and `dense` use a layer norm (epsilon 1e-5) on each map, from which the class token
    is removed.

    Args:
        dim: Width of the outer tokens, the patches.
        inner_dim: Width of the inner tokens, the words.
        depth: Number of blocks.
        num_heads: Attention heads over patches.
        inner_num_heads: Attention heads over words.
        patch_size: Side of a patch in pixels.
        inner_stride: Stride in pixels of the words in a patch.
        mlp_ratio: Hidden width of the feed-forward networks, in widths of their tokens.
        qkv_bias: Whether the layers that make queries, keys and values have biases.
        qk_scale: Factor on all scores; the inverse square root of a head's width if None.
        se: Whether squeeze-and-excitation follows the feed-forward network over patches: 0 for
            no; any positive number for yes, as in the authors' code.
        img_size: Image side, or height and width, for whose grid the position table is made.
        drop_rate: Dropout of patches, attention outputs and feed-forward networks.
        attn_drop_rate: Dropout of attention weights.
        **options: Keywords that all backbones have: see `Backbone`.

    Raises:
        ConfigError: A width is not a multiple of its number of heads, or `img_size` is no size.
    """

    family = "tnt"
    input_conv = "word_embed.weight"

    def __init__(
        self,
        *,
        dim: int = 768,
        inner_dim: int = 48,
        depth: int = 12,
        num_heads: int = 12,
        inner_num_heads: int = 4,
        patch_size: int = 16,
        inner_stride: int = 4,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,
        qk_scale: float | None = None,
        se: int = 0,
        img_size: int | Sequence[int] = 224,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        **options: Unpack[BackboneOptions],
    ) -> None:
        super().__init__(**options)
        _check_heads("dim", dim, "num_heads", num_heads)
        _check_heads("inner_dim", inner_dim, "inner_num_heads", inner_num_heads)
        count = self.choose_outputs(depth, what="blocks", default=(-1,))
        self.patch_size = patch_size
        self.grid = _grid(img_size, patch_size)
        num_words = ceil(patch_size / inner_stride) ** 2

        self.word_embed = nn.Conv2d(self.in_channels, inner_dim, 7, stride=inner_stride, padding=3)
        self.inner_pos = nn.Parameter(torch.zeros(1, num_words, inner_dim))
        self.patch_embed = WordsToPatch(inner_dim, num_words=num_words, dim=dim, bias=True)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.outer_pos = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], dim))
        self.dropout = nn.Dropout(drop_rate)

        rates = drop_path_rates(self._drop_path_rate, [depth])[0]
        shared: dict[str, Any] = {"mlp_ratio": mlp_ratio, "qkv_bias": qkv_bias}
        shared |= {"qk_scale": qk_scale, "dropout": drop_rate, "attn_dropout": attn_drop_rate}
        self.blocks = nn.ModuleList()
        for rate in rates[:count]:
            shared["drop_path"] = rate
            inner = TransformerLayer(inner_dim, num_heads=inner_num_heads, **shared)
            outer = TransformerLayer(dim, num_heads=num_heads, gate=se > 0, **shared)
            fold = WordsToPatch(inner_dim, num_words=num_words, dim=dim, bias=False)
            self.blocks.append(TNTBlock(inner=inner, words_to_patch=fold, outer=outer))

        self.norm = nn.Identity() if self.dense else nn.LayerNorm(dim)
        self.embed_dim = dim
        specs = [FeatureSpec(dim, patch_size)] * depth
        self.set_outputs(specs, LayerNorm2d)
        self.apply(init_linear)
        for parameter in (self.class_token, self.inner_pos, self.outer_pos):
            nn.init.trunc_normal_(parameter, std=0.02)

    def embed(self, images: Tensor) -> Tensor:
        """The normalised class token of the last block: `(B, C_in, H, W)` to `(B, embed_dim)`.

        Args:
            images: `(B, C_in, H, W)` float, normalised with `default_input`.

        Raises:
            ConfigError: The backbone was built with `dense=True`.
        """
        self.check_can_embed()
        self.check_images(images)
        for _, outer in self._tokens(images, len(self.blocks)):
            last = outer
        return self.norm(last[:, 0])

    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        """Maps `(B, C, ceil(H / patch), ceil(W / patch))` of the first `count` blocks."""
        rows = _ceil_div(images.shape[2], self.patch_size)
        return [
            outer[:, 1:].unflatten(1, (rows, -1)).permute(0, 3, 1, 2)
            for _, outer in self._tokens(images, count)
        ]

    def forward_tokens(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Inner and outer tokens after each block.

        Args:
            images: `(B, C_in, H, W)` float, normalised with `default_input`.

        Returns:
            Of each block the inner tokens `(B * N, S, c)`, a patch's words in row-major order, and
            the outer tokens `(B, 1 + N, C)`, class token first.
        """
        self.check_images(images)
        pairs = list(self._tokens(images, len(self.blocks)))
        return [inner for inner, _ in pairs], [outer for _, outer in pairs]

    def _tokens(self, images: Tensor, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inner and outer tokens after each of the first `count` blocks."""
        words, grid = self._words(images)
        inner = words + self.inner_pos
        patches = self.patch_embed(inner, images.shape[0])
        class_token = self.class_token.expand(images.shape[0], -1, -1)
        outer = torch.cat([class_token, patches], dim=1) + self._outer_positions(grid)
        outer = self.dropout(outer)
        for block in self.blocks[:count]:
            inner, outer = self.run_block(block, inner, outer)
            yield inner, outer

    def _words(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Words `(B * N, S, c)` of every patch, convolved on its own, and the grid of patches."""
        side = self.patch_size
        rows, columns = (_ceil_div(length, side) for length in images.shape[2:])
        pad_h, pad_w = rows * side - images.shape[2], columns * side - images.shape[3]
        # While compiling, the sizes must not be branched on.
        if is_traced() or pad_h or pad_w:
            images = F.pad(images, (0, pad_w, 0, pad_h))
        patches = images.unflatten(3, (columns, side)).unflatten(2, (rows, side))
        patches = patches.permute(0, 2, 4, 3, 5, 1).flatten(0, 2)  # (B * N, side, side, C)
        words = self.word_embed(patches.permute(0, 3, 1, 2))  # (B * N, c, ., .)
        return words.flatten(2).transpose(1, 2), (rows, columns)

    def _outer_positions(self, grid: tuple[int, int]) -> Tensor:
        """The position table `(1, 1 + N, C)` of a grid of patches."""
        # On its own grid the resize is the identity, so that a compiled graph need not branch.
        if not is_traced() and grid == self.grid:
            return self.outer_pos
        first, table = self.outer_pos[:, :1], self.outer_pos[:, 1:]
        maps = table.unflatten(1, self.grid).permute(0, 3, 1, 2)  # (1, C, H, W)
        maps = F.interpolate(maps, size=grid, mode="bicubic", align_corners=False)
        return torch.cat([first, maps.flatten(2).transpose(1, 2)], dim=1)

    def block_prefixes(self) -> list[list[str]]:
        """The embeddings, then each block."""
        stem = ["word_embed", "inner_pos", "patch_embed", "class_token", "outer_pos"]
        return [stem, *([f"blocks.{i}"] for i in range(len(self.blocks)))]

    def no_weight_decay(self) -> set[str]:
        """The class token and both position tables."""
        return {"class_token", "inner_pos", "outer_pos"}


def _ceil_div(length: int, side: int) -> int:
    """Number of patches of `side` pixels that cover `length` pixels."""
    return (length + side - 1) // side


def _grid(img_size: int | Sequence[int], patch_size: int) -> tuple[int, int]:
    """Rows and columns of patches of an image, rounded down as the authors' table is."""
    height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    if min(height, width) < patch_size:
        raise ConfigError(
            f"TNT: img_size={img_size} is smaller than patch_size={patch_size}; give the side in "
            "pixels, or (height, width), of at least one patch."
        )
    return height // patch_size, width // patch_size


def _check_heads(width_name: str, width: int, heads_name: str, num_heads: int) -> None:
    if width % num_heads:
        raise ConfigError(
            f"TNT: {width_name}={width} is not a multiple of {heads_name}={num_heads}."
        )


_INPUT = InputSpec(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), crop=0.9)

# Table 1. Drop-path rates are settings of a training recipe, not of a variant.
VARIANTS: dict[str, dict[str, Any]] = {
    "small": {"dim": 384, "inner_dim": 24, "num_heads": 6, "default_input": _INPUT},
    "base": {"dim": 640, "inner_dim": 40, "num_heads": 10, "default_input": _INPUT},
}
