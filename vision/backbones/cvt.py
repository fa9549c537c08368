"""CvT: a hierarchical transformer whose tokens, queries, keys and values come from convolutions.

"CvT: Introducing Convolutions to Vision Transformers", Wu et al., 2021,
https://arxiv.org/abs/2103.15808. Weights: microsoft/CvT (MIT). The paper's Table 2 lists the
variants.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import mul
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone, OutputOptions, stage_levels
from vision.contracts.features import FeatureSpec, InputSpec
from vision.errors import ConfigError, suggest
from vision.keywords import Unpack
from vision.layers.attention import attend
from vision.layers.block import PreNormBlock
from vision.layers.drop_path import drop_path_rates
from vision.layers.init import init_linear
from vision.layers.lean import Lean, given
from vision.layers.norm import LayerNorm2d
from vision.layers.normalise_again import can_normalise_again, normalise_again

Projection = Literal["dw_bn", "avg"]
Activation = Literal["quick_gelu", "gelu"]


class QuickGELU(Lean):
    """`x * sigmoid(1.702 x)`, the quick approximation of GELU (Hendrycks and Gimpel, 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` of any shape to the same shape."""
        # By way of SiLU, y * sigmoid(y), the backward pass keeps one tensor instead of two.
        if not torch.is_grad_enabled():
            return F.silu(1.702 * x, inplace=True).div_(1.702)
        return self.run_layer(F.silu, lambda: 1.702 * x, cast=False).div_(1.702)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"quick_gelu": QuickGELU, "gelu": nn.GELU}


class ConvTokenEmbedding(nn.Module):
    """Convolution and norm that make the tokens of a stage (section 3.1), with its class token.

    Args:
        in_channels: Channels of the image or of the previous stage's map.
        dim: Width of the tokens.
        kernel_size: Side of the convolution's kernel.
        stride: Its stride.
        padding: Its padding on each border.
        class_token: Whether a learned token goes before the patch tokens.
        dropout: Probability of dropping a value of a token.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        *,
        kernel_size: int,
        stride: int,
        padding: int,
        class_token: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, dim, kernel_size, stride=stride, padding=padding)
        self.norm = LayerNorm2d(dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim)) if class_token else None
        self.dropout = nn.Dropout(dropout)
        if self.class_token is not None:
            nn.init.trunc_normal_(self.class_token, std=0.02)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Map `x` `(B, C_in, H_in, W_in)` to tokens `(B, [1 +] H * W, C)`, and give H and W."""
        x = self.norm(self.conv(x))
        height, width = x.shape[2:]
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, C)
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), tokens], dim=1)
        return self.dropout(tokens), (height, width)


class ConvAttention(Lean):
    """Attention whose queries, keys and values come from convolved maps (section 3.2).

    A class token takes part without convolution. The scores are scaled by the inverse square root
    of the full width, not of a head's, as in the authors' code.

    Args:
        dim: Width of the tokens.
        num_heads: Number of heads.
        qkv_bias: Whether the linear layers of queries, keys and values have biases.
        class_token: Whether the first token is a class token.
        projection: `"dw_bn"` for depthwise convolution and batch norm; `"avg"` for average
            pooling of keys and values, queries as they are.
        kernel_qkv: Kernel side of the convolution or pooling.
        padding_q: Padding of the query's convolution, which keeps the size of the map.
        padding_kv: Padding of the key's and value's convolution or pooling.
        stride_kv: Stride of the key's and value's convolution or pooling.
        attn_dropout: Probability of dropping an attention weight.
        dropout: Probability of dropping a value of the output.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        qkv_bias: bool = True,
        class_token: bool = False,
        projection: Projection = "dw_bn",
        kernel_qkv: int = 3,
        padding_q: int = 1,
        padding_kv: int = 1,
        stride_kv: int = 2,
        attn_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = dim**-0.5
        self.num_class_tokens = int(class_token)
        self.attn_dropout = attn_dropout
        reduce = _depthwise if projection == "dw_bn" else _average
        self.query_conv = (
            _depthwise(dim, kernel_qkv, 1, padding_q) if projection == "dw_bn" else nn.Identity()
        )
        self.key_conv = reduce(dim, kernel_qkv, stride_kv, padding_kv)
        self.value_conv = reduce(dim, kernel_qkv, stride_kv, padding_kv)
        self.query = nn.Linear(dim, dim, bias=qkv_bias)
        self.key = nn.Linear(dim, dim, bias=qkv_bias)
        self.value = nn.Linear(dim, dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tensor, size: tuple[int, int], *, norm: nn.Module | None = None
    ) -> Tensor:
        """Attend.

        Args:
            tokens: `(B, [1 +] H * W, C)`.
            size: H and W.
            norm: Normalises the tokens first, if there is a norm.

        Returns:
            `(B, [1 +] H * W, C)`.
        """
        split = [self.num_class_tokens, tokens.shape[1] - self.num_class_tokens]
        first, patches = tokens.split(split, dim=1) if self.num_class_tokens else (None, tokens)
        if first is not None and norm is not None:
            first = norm(first)

        def make_map() -> Tensor:
            x = patches if norm is None else norm(patches)
            x = x.unflatten(1, size).permute(0, 3, 1, 2)  # (B, C, H, W)
            # Without a class token this is a view; with one, a copy serves all convolutions.
            return x.contiguous(memory_format=torch.channels_last)

        branches = (self.query_conv, self.key_conv, self.value_conv)
        convs, norms = zip(*(_conv_and_norm(branch) for branch in branches), strict=True)
        maps = self.run_layer(lambda x: [conv(x) for conv in convs], make_map)
        query, key, value = (
            self._heads(first, x, norm, linear)
            for x, norm, linear in zip(maps, norms, (self.query, self.key, self.value), strict=True)
        )
        dropout = self.attn_dropout if self.training else 0.0
        out = attend(query, key, value, scale=self.scale, dropout=dropout)
        return self.dropout(self.proj(out.transpose(1, 2).flatten(2)))  # (B, N, C)

    def _heads(self, first: Tensor | None, x: Tensor, norm: nn.Module, linear: nn.Linear) -> Tensor:
        """Project a class token `(B, 1, C)`, if any, and a normalised map `(B, C, h, w)`.

        Returns:
            `(B, heads, [1 +] h * w, D)`.
        """

        def tokens(x: Tensor) -> Tensor:
            x = x.flatten(2).transpose(1, 2)  # (B, L, C)
            return x if first is None else torch.cat([first, x], dim=1)

        made = tokens(norm(x))
        if can_normalise_again(norm):
            made = self.run_layer(linear, given(made, lambda: tokens(normalise_again(norm, x))))
        else:
            made = linear(made)
        return made.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class CvT(Backbone):
    """CvT backbone with one map per stage, at strides 4, 8 and 16 as published.

    An option of the stages is a sequence with one value per stage or, where the signature allows
    it, a single value for all. There is no published dense-prediction variant: `out_norm` and
    `dense` use a layer norm (epsilon 1e-5) on each map, from which the class token is removed.

    Args:
        dims: Width of each stage.
        depths: Blocks of each stage.
        num_heads: Attention heads of each stage.
        patch_sizes: Kernel side of each stage's token embedding.
        patch_strides: Its stride.
        patch_paddings: Its padding.
        mlp_ratios: Hidden width of the feed-forward networks, in widths of the stage.
        qkv_bias: Whether the linear layers of queries, keys and values have biases.
        class_token: Which stages have a class token. Without one in the last stage, `embed`
            averages the normalised patch tokens.
        projection: `"dw_bn"`, depthwise convolutions and batch norm, or `"avg"`, average pooling
            of keys and values (rounded up).
        kernel_qkv: Kernel side of these convolutions or poolings.
        padding_q: Padding for queries; must keep the map's size, `(kernel_qkv - 1) / 2`.
        padding_kv: Padding for keys and values.
        stride_q: Stride for queries; only 1, for the residual, exists.
        stride_kv: Stride for keys and values.
        act: `"quick_gelu"` as trained by the authors, or `"gelu"` as in transformers.
        drop_rate: Dropout of tokens, attention outputs and feed-forward networks.
        attn_drop_rate: Dropout of attention weights.
        drop_path_rate: Stochastic-depth rate of the last block of each stage, rising linearly
            from 0 within the stage; a single value is for the last stage only, as published.
        **options: Keywords that all backbones have: see `Backbone`.

    Raises:
        ConfigError: An option is not one that its description allows.
    """

    family = "cvt"
    input_conv = "embeds.0.conv.weight"

    def __init__(
        self,
        *,
        dims: Sequence[int] = (64, 192, 384),
        depths: Sequence[int] = (1, 2, 10),
        num_heads: Sequence[int] = (1, 3, 6),
        patch_sizes: Sequence[int] = (7, 3, 3),
        patch_strides: Sequence[int] = (4, 2, 2),
        patch_paddings: Sequence[int] = (2, 1, 1),
        mlp_ratios: float | Sequence[float] = 4.0,
        qkv_bias: bool | Sequence[bool] = True,
        class_token: bool | Sequence[bool] = (False, False, True),
        projection: Projection | Sequence[Projection] = "dw_bn",
        kernel_qkv: int | Sequence[int] = 3,
        padding_q: int | Sequence[int] = 1,
        padding_kv: int | Sequence[int] = 1,
        stride_q: int | Sequence[int] = 1,
        stride_kv: int | Sequence[int] = 2,
        act: Activation = "quick_gelu",
        drop_rate: float | Sequence[float] = 0.0,
        attn_drop_rate: float | Sequence[float] = 0.0,
        drop_path_rate: float | Sequence[float] = 0.0,
        **options: Unpack[OutputOptions],
    ) -> None:
        super().__init__(**options)
        if act not in ACTIVATIONS:
            raise ConfigError(f"CvT: act={act!r} is not one of {', '.join(ACTIVATIONS)}.")
        if isinstance(drop_path_rate, int | float):
            drop_path_rate = (0.0,) * (len(dims) - 1) + (drop_path_rate,)
        per_stage: dict[str, Any] = {"dims": dims, "depths": depths, "num_heads": num_heads}
        per_stage |= {"patch_sizes": patch_sizes, "patch_strides": patch_strides}
        per_stage |= {"patch_paddings": patch_paddings, "class_token": class_token}
        per_stage |= {"mlp_ratios": mlp_ratios, "qkv_bias": qkv_bias, "projection": projection}
        per_stage |= {"kernel_qkv": kernel_qkv, "padding_q": padding_q, "padding_kv": padding_kv}
        per_stage |= {"stride_q": stride_q, "stride_kv": stride_kv, "drop_rate": drop_rate}
        per_stage |= {"attn_drop_rate": attn_drop_rate, "drop_path_rate": drop_path_rate}
        stages = _stage_options(len(dims), per_stage)
        count = self.choose_outputs(len(dims))
        self.embeds = nn.ModuleList()
        self.stages = nn.ModuleList()
        for i, stage in enumerate(stages[:count]):
            _check_stage(stage, i)
            self.embeds.append(_embedding(self.in_channels if i == 0 else dims[i - 1], stage))
            self.stages.append(_blocks(stage, ACTIVATIONS[act]))

        self.norm = nn.Identity() if self.dense else nn.LayerNorm(dims[-1])
        self.embed_dim = dims[-1]
        strides = accumulate(patch_strides, mul)
        specs = [FeatureSpec(dim, stride) for dim, stride in zip(dims, strides, strict=True)]
        self.set_outputs(specs, LayerNorm2d)
        self.apply(init_linear)

    def embed(self, images: Tensor) -> Tensor:
        """Normalised class token, or mean of the normalised tokens: `(B, embed_dim)`.

        Args:
            images: `(B, C_in, H, W)` float, normalised with `default_input`.

        Raises:
            ConfigError: The backbone was built with `dense=True`.
        """
        self.check_can_embed()
        self.check_images(images)
        maps, class_token = self._run(images, len(self.stages))
        if class_token is not None:
            return self.norm(class_token)
        return self.norm(maps[-1].permute(0, 2, 3, 1)).mean(dim=(1, 2))

    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        """Maps `(B, C, H, W)` of the first `count` stages; there is one rule for all uses."""
        return self._run(images, count)[0]

    def _run(self, images: Tensor, count: int) -> tuple[list[Tensor], Tensor | None]:
        """Maps of the first `count` stages, and the last one's class token `(B, C)` if any."""
        # Every layer keeps this memory order, in which tokens and maps are views of each other.
        x = images.contiguous(memory_format=torch.channels_last)
        maps = []
        class_token = None
        for embedding, blocks in zip(self.embeds[:count], self.stages[:count], strict=True):
            tokens, size = embedding(x)
            for block in blocks.children():
                tokens = self.run_block(block, tokens, size)
            class_token = None
            if embedding.class_token is not None:
                class_token, tokens = tokens[:, 0], tokens[:, 1:]
            x = tokens.unflatten(1, size).permute(0, 3, 1, 2)  # (B, C, H, W)
            maps.append(x)
        return maps, class_token

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block; a token embedding goes with the block that follows it."""
        return stage_levels(self.stages, stem=["embeds.0"], entry="embeds.{}")

    def no_weight_decay(self) -> set[str]:
        """The class tokens."""
        return {name for name, _ in self.named_parameters() if name.endswith(".class_token")}


def _depthwise(dim: int, kernel: int, stride: int, padding: int) -> nn.Module:
    """Depthwise convolution and batch norm on `(B, C, H, W)`."""
    conv = nn.Conv2d(dim, dim, kernel, stride=stride, padding=padding, groups=dim, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(dim)))


def _conv_and_norm(branch: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The two layers of `_depthwise`; anything else counts as the first, without a norm."""
    if isinstance(branch, nn.Sequential):
        conv, norm = branch
        return conv, norm
    return branch, nn.Identity()


def _average(dim: int, kernel: int, stride: int, padding: int) -> nn.Module:
    """Average pooling of `(B, C, H, W)`, rounded up; `dim` is not used."""
    return nn.AvgPool2d(kernel, stride=stride, padding=padding, ceil_mode=True)


def _embedding(in_channels: int, options: dict[str, Any]) -> ConvTokenEmbedding:
    return ConvTokenEmbedding(
        in_channels,
        options["dims"],
        kernel_size=options["patch_sizes"],
        stride=options["patch_strides"],
        padding=options["patch_paddings"],
        class_token=options["class_token"],
        dropout=options["drop_rate"],
    )


def _blocks(options: dict[str, Any], act_layer: Callable[[], nn.Module]) -> nn.ModuleList:
    blocks = nn.ModuleList()
    for rate in drop_path_rates(options["drop_path_rate"], [options["depths"]])[0]:
        attn = ConvAttention(
            options["dims"],
            num_heads=options["num_heads"],
            qkv_bias=options["qkv_bias"],
            class_token=options["class_token"],
            projection=options["projection"],
            kernel_qkv=options["kernel_qkv"],
            padding_q=options["padding_q"],
            padding_kv=options["padding_kv"],
            stride_kv=options["stride_kv"],
            attn_dropout=options["attn_drop_rate"],
            dropout=options["drop_rate"],
        )
        block = PreNormBlock(
            options["dims"],
            attn=attn,
            mlp_ratio=options["mlp_ratios"],
            act_layer=act_layer,
            drop_path=rate,
            dropout=options["drop_rate"],
        )
        blocks.append(block)
    return blocks


def _stage_options(count: int, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Turn options with one value per stage, or one for all, into the options of each stage."""
    stages: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, value in options.items():
        values = [value] * count if isinstance(value, str | int | float) else list(value)
        if len(values) != count:
            raise ConfigError(
                f"CvT: {name}={value!r} has {len(values)} values for {count} stages (the length "
                "of dims); give one value per stage."
            )
        for stage, item in zip(stages, values, strict=True):
            stage[name] = item
    return stages


def _check_stage(options: dict[str, Any], stage: int) -> None:
    """Raise a `ConfigError` for options with which a stage cannot work."""
    dim, num_heads = options["dims"], options["num_heads"]
    if dim % num_heads:
        raise ConfigError(
            f"CvT stage {stage}: dims={dim} is not a multiple of num_heads={num_heads}."
        )
    projection, known = options["projection"], get_args(Projection)
    if projection not in known:
        raise ConfigError(
            f"CvT stage {stage}: projection={projection!r} is not one of {', '.join(known)}."
            f"{suggest(str(projection), known)}"
        )
    kernel, padding = options["kernel_qkv"], options["padding_q"]
    # Average pooling leaves the queries as they are, regardless of these options.
    if projection == "dw_bn" and (options["stride_q"] != 1 or 2 * padding != kernel - 1):
        raise ConfigError(
            f"CvT stage {stage}: stride_q={options['stride_q']}, padding_q={padding} with "
            f"kernel_qkv={kernel} would change the number of queries, which the residual forbids. "
            "Give stride_q=1, an odd kernel_qkv and padding_q=(kernel_qkv - 1) / 2."
        )


_AT_384 = InputSpec(size=(384, 384), crop=1.0)
_CVT_13: dict[str, Any] = {"dims": (64, 192, 384), "depths": (1, 2, 10), "num_heads": (1, 3, 6)}
_CVT_21: dict[str, Any] = {**_CVT_13, "depths": (1, 4, 16)}

# Table 2. Drop-path rates are settings of a training recipe, not of a variant.
VARIANTS: dict[str, dict[str, Any]] = {
    "13": _CVT_13,
    "21": _CVT_21,
    "w24": {
        "dims": (192, 768, 1024),
        "depths": (2, 2, 20),
        "num_heads": (3, 12, 16),
        "default_input": _AT_384,
    },
    "13_384": {**_CVT_13, "default_input": _AT_384},
    "21_384": {**_CVT_21, "default_input": _AT_384},
}
