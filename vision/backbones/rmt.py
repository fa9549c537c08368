"""RMT: a vision transformer whose attention fades with the Manhattan distance on the map.

"RMT: Retentive Networks Meet Vision Transformers", Fan et al., 2023,
https://arxiv.org/abs/2309.11523, which lists the variants. Weights: qhfan/RMT, which states no
licence; nothing here is copied from it. Where the published weights differ from the paper, the
weights count: the logarithm of the decay is added to the scores before the softmax instead of
multiplying the attention after it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone, BackboneOptions, stage_levels
from vision.backbones.manhattan import ManhattanAttention, ManhattanPrior
from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.keywords import Unpack
from vision.layers.drop_path import DropPath, drop_path_rates
from vision.layers.init import init_linear
from vision.layers.lean import Lean, given
from vision.layers.norm import LayerNorm2d

EPS = 1e-6
OUT_NORM_EPS = 1e-5
# The options that have one value per stage, in the order in which they are checked.
PER_STAGE = (
    *("dims", "depths", "num_heads", "init_values", "head_ranges"),
    *("mlp_ratios", "decomposed", "layer_scales"),
)


class ConvFeedForward(Lean):
    """Feed-forward network with a residual depthwise convolution between its layers.

    Args:
        dim: Width of the input and output.
        hidden_dim: Width between the two layers.
    """

    def __init__(self, dim: int, *, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.conv = nn.Conv2d(hidden_dim, hidden_dim, kernel_size=3, padding=1, groups=hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(
        self, x: Tensor, *, norm: nn.Module | None = None, scale: Tensor | None = None
    ) -> Tensor:
        """Map `x` `(B, H, W, C)` to the same shape.

        Args:
            x: The map.
            norm: Normalises the map first, if there is a norm.
            scale: A factor on each channel of the result, `(C,)`.
        """
        hidden = self.run_layer(self.fc1, lambda: x if norm is None else norm(x))
        return self.run_scaled(self.fc2, lambda: self._between(hidden), scale)

    def _between(self, hidden: Tensor) -> Tensor:
        x = F.gelu(hidden)
        again = given(x, lambda: F.gelu(hidden))
        return x + self.run_layer(lambda x: _convolve(x, self.conv), again)


def _add_convolved(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """`x + conv(x)` for `x` `(B, H, W, C)`."""
    return x + _convolve(x, conv)


def _convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """`conv(x)` for `x` `(B, H, W, C)`."""
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class RMTBlock(nn.Module):
    """Residual position convolution, Manhattan attention, feed-forward network.

    Args:
        dim: Number of channels.
        num_heads: Number of heads.
        hidden_dim: Width of the feed-forward network.
        drop_path: Probability of dropping a branch of a sample.
        layer_scale: Initial value of the per-channel scale of the branches; None leaves it out.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        hidden_dim: int,
        drop_path: float = 0.0,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.pos = nn.Conv2d(dim, dim, kernel_size=3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = ManhattanAttention(dim, num_heads=num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.ffn = ConvFeedForward(dim, hidden_dim=hidden_dim)
        self.drop_path = DropPath(drop_path)
        self.gamma1 = _layer_scale(dim, layer_scale)
        self.gamma2 = _layer_scale(dim, layer_scale)

    def forward(self, x: Tensor, *constants: Tensor) -> Tensor:
        """Map `x` `(B, H, W, C)` to the same shape; `constants` come from `ManhattanPrior`."""
        x = _add_convolved(x, self.pos)
        branch = self.attn(x, *constants, norm=self.norm1, scale=self.gamma1)
        x = x + self.drop_path(branch)
        return x + self.drop_path(self.ffn(x, norm=self.norm2, scale=self.gamma2))


def _layer_scale(dim: int, value: float | None) -> nn.Parameter | None:
    return None if value is None else nn.Parameter(torch.full((dim,), float(value)))


class RMT(Backbone):
    """RMT backbone with maps at strides 4, 8, 16 and 32.

    Each halving rounds up, so that any image size works. `embed` is the classifier's projection of
    the last map, normalised, activated and pooled.

    Args:
        dims: Channels of each stage.
        depths: Blocks of each stage.
        num_heads: Heads of each stage.
        init_values: Decay exponent of the first head of each stage.
        head_ranges: Span of the decay exponent over the heads of each stage.
        mlp_ratios: Width of the feed-forward network, in widths of the stage.
        decomposed: For each stage, whether rows and columns are attended to one after the other
            instead of the whole map at once.
        layer_scales: For each stage, whether its branches have a layer scale.
        layer_init_value: Initial value of the layer scales.
        projection: Width of the classifier's projection, which is `embed_dim`.
        **options: Keywords that all backbones have: see `Backbone`.

    Raises:
        ConfigError: The options of the stages differ in number, or the channels of a stage do not
            divide into heads of even width.
    """

    family = "rmt"
    input_conv = "stem.0.weight"

    def __init__(
        self,
        *,
        dims: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (3, 4, 18, 4),
        num_heads: Sequence[int] = (4, 4, 8, 16),
        init_values: Sequence[float] = (2, 2, 2, 2),
        head_ranges: Sequence[float] = (4, 4, 6, 6),
        mlp_ratios: Sequence[float] = (4, 4, 3, 3),
        decomposed: Sequence[bool] = (True, True, True, False),
        layer_scales: Sequence[bool] = (False, False, False, False),
        layer_init_value: float = 1e-6,
        projection: int = 1024,
        **options: Unpack[BackboneOptions],
    ) -> None:
        super().__init__(**options)
        stages = (dims, depths, num_heads, init_values, head_ranges)
        _check_stages(*stages, mlp_ratios, decomposed, layer_scales)
        count = self.choose_outputs(len(depths))

        self.stem = _Stem(self.in_channels, dims[0])
        self.stages = nn.ModuleList()
        # Entry i halves the output of stage i.
        self.downsample = nn.ModuleList(_halve(dims[i], dims[i + 1]) for i in range(count - 1))
        self.priors = nn.ModuleList()
        for i, rates in enumerate(drop_path_rates(self._drop_path_rate, depths)[:count]):
            self.priors.append(
                ManhattanPrior(
                    dims[i] // num_heads[i],
                    num_heads=num_heads[i],
                    init_value=init_values[i],
                    head_range=head_ranges[i],
                    decomposed=decomposed[i],
                )
            )
            blocks = _blocks(
                dims[i],
                rates,
                num_heads=num_heads[i],
                mlp_ratio=mlp_ratios[i],
                layer_scale=layer_init_value if layer_scales[i] else None,
            )
            self.stages.append(blocks)

        self.proj = nn.Identity() if self.dense else nn.Linear(dims[-1], projection)
        self.proj_norm = nn.Identity() if self.dense else nn.BatchNorm2d(projection)
        self.embed_dim = projection
        specs = [FeatureSpec(dim, 4 * 2**i) for i, dim in enumerate(dims)]
        self.set_outputs(specs, _out_norm)
        self.apply(init_linear)

    def embed(self, images: Tensor) -> Tensor:
        """Project, normalise and pool the last map: `(B, C_in, H, W)` to `(B, embed_dim)`."""
        self.check_can_embed()
        self.check_images(images)
        last = self.forward_stages(images, len(self.stages), classifier=True)[-1]
        x = self.proj(last.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # (B, C, H, W)
        return F.silu(self.proj_norm(x)).mean(dim=(2, 3))

    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        """Maps `(B, C, H, W)` of the first `count` stages; classifier and dense variant agree."""
        x = self.stem(images.contiguous(memory_format=torch.channels_last))
        maps: list[Tensor] = []
        for i, blocks in enumerate(self.stages[:count]):
            if i > 0:
                x = self.downsample[i - 1](x)
            x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
            constants = self.priors[i](x, whole=self.compiles_blocks)
            for block in blocks.children():
                x = self.run_block(block, x, *constants)
            x = x.permute(0, 3, 1, 2)  # (B, C, H, W)
            maps.append(x)
        return maps

    def decayed_vectors(self) -> set[str]:
        """The layer scales, whose shape is (1, 1, 1, C) in the authors' code."""
        return {
            name for name, _ in self.named_parameters() if name.endswith((".gamma1", ".gamma2"))
        }

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block; a down-sampling layer goes with the block that follows it."""
        return stage_levels(self.stages, stem=["stem"], entry="downsample.{}", offset=-1)


class _Stem(Lean, nn.Sequential):
    """Four 3 x 3 convolutions with batch norm, a quarter of the image's resolution."""

    def __init__(self, in_channels: int, dim: int) -> None:
        layers: list[nn.Module] = []
        widths = (in_channels, dim // 2, dim // 2, dim, dim)
        for i, stride in enumerate((2, 1, 2, 1)):
            conv = nn.Conv2d(widths[i], widths[i + 1], kernel_size=3, stride=stride, padding=1)
            layers += [conv, nn.BatchNorm2d(widths[i + 1]), nn.GELU()]
        super().__init__(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map images `(B, C_in, H, W)` to `(B, C, H / 4, W / 4)`."""
        first, *others = self
        x = first(x)
        for norm, act, conv in zip(others[::3], others[1::3], others[2::3], strict=False):
            x = self._activate_and_convolve(norm(x), act, conv)
        return others[-1](x)

    def _activate_and_convolve(self, x: Tensor, act: nn.Module, conv: nn.Module) -> Tensor:
        return self.run_layer(conv, lambda: act(x))


def _halve(in_dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_dim, out_dim, kernel_size=3, stride=2, padding=1), nn.BatchNorm2d(out_dim)
    )


def _blocks(
    dim: int,
    rates: Sequence[float],
    *,
    num_heads: int,
    mlp_ratio: float,
    layer_scale: float | None,
) -> nn.ModuleList:
    return nn.ModuleList(
        RMTBlock(
            dim,
            num_heads=num_heads,
            hidden_dim=int(dim * mlp_ratio),
            drop_path=rate,
            layer_scale=layer_scale,
        )
        for rate in rates
    )


def _out_norm(dim: int) -> LayerNorm2d:
    return LayerNorm2d(dim, eps=OUT_NORM_EPS)


def _check_stages(dims: Sequence[int], depths: Sequence[int], *others: Sequence[Any]) -> None:
    lengths = [len(values) for values in (dims, depths, *others)]
    if len(set(lengths)) != 1:
        given = ", ".join(f"{name}: {n}" for name, n in zip(PER_STAGE, lengths, strict=True))
        raise ConfigError(f"RMT needs one value per stage in each of these, got {given}.")
    for dim, heads in zip(dims, others[0], strict=True):
        if dim % (2 * heads):
            raise ConfigError(
                f"RMT rotates pairs of channels: dims {dim} must be a multiple of twice its "
                f"num_heads, {2 * heads}."
            )


# Table 1 and appendix: differences from the constructor's defaults, which describe "small".
# Drop-path rates are settings of a training recipe, not of a variant.
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny": {
        "depths": (2, 2, 8, 2),
        "mlp_ratios": (3, 3, 3, 3),
        "decomposed": (True, True, False, False),
    },
    "small": {},
    "base": {
        "dims": (80, 160, 320, 512),
        "depths": (4, 8, 25, 8),
        "num_heads": (5, 5, 10, 16),
        "head_ranges": (5, 5, 6, 6),
        "layer_scales": (False, False, True, True),
    },
    "large": {
        "dims": (112, 224, 448, 640),
        "depths": (4, 8, 25, 8),
        "num_heads": (7, 7, 14, 20),
        "head_ranges": (6, 6, 6, 6),
        "layer_scales": (False, False, True, True),
    },
}
