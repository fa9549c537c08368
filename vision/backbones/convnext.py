"""ConvNeXt: a convolutional network with the macro design of a Swin transformer.

"A ConvNet for the 2020s", Liu et al., 2022, https://arxiv.org/abs/2201.03545.
Weights: facebookresearch/ConvNeXt (MIT). The paper's Table 9 lists the variants.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.base import Backbone, check_out_indices
from vision.contracts import FeatureSpec, InputSpec
from vision.layers.drop_path import DropPath, drop_path_rates
from vision.layers.init import init_linear_and_conv
from vision.layers.mlp import Mlp
from vision.layers.norm import LayerNorm2d

EPS = 1e-6


class ConvNeXtBlock(nn.Module):
    """Depthwise 7 x 7 convolution, norm, inverted bottleneck, residual (Figure 4, right).

    Args:
        dim: Number of channels.
        drop_path: Probability of dropping the branch of a sample.
        layer_scale: Initial value of the per-channel scale of the branch; 0 leaves it out.
    """

    def __init__(self, dim: int, *, drop_path: float = 0.0, layer_scale: float = 1e-6) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.mlp = Mlp(dim, hidden_dim=4 * dim)
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale)) if layer_scale > 0 else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to the same shape."""
        branch = self.conv(x).permute(0, 2, 3, 1)  # (B, H, W, C)
        branch = self.mlp(self.norm(branch))
        if self.gamma is not None:
            branch = branch * self.gamma
        return x + self.drop_path(branch.permute(0, 3, 1, 2))  # (B, C, H, W)


class ConvNeXt(Backbone):
    """ConvNeXt backbone with maps at strides 4, 8, 16 and 32.

    Remainders of the stride-4 stem and of the stride-2 down-sampling are dropped, as published.

    Args:
        in_channels: Number of image channels.
        dims: Channels of each stage.
        depths: Blocks of each stage.
        layer_scale: Initial value of the layer scale; 0 leaves it out. 1e-6 to train on ImageNet,
            1.0 to fine-tune detection and segmentation.
        head_norm_eps: Epsilon of the norm after pooling; transformers has 1e-12.
        drop_path_rate: Stochastic-depth rate of the last block; earlier ones rise linearly from 0.
        out_indices: Stages to return; None returns all.
        out_norm: Whether to apply the layer norm of the published dense variant to each map.
        dense: Whether to make the output norms and leave out what only `embed` uses.
        default_input: What the published weights expect of an image.
    """

    family = "convnext"
    input_conv = "downsample.0.0.weight"

    def __init__(
        self,
        *,
        in_channels: int = 3,
        dims: Sequence[int] = (96, 192, 384, 768),
        depths: Sequence[int] = (3, 3, 9, 3),
        layer_scale: float = 1e-6,
        head_norm_eps: float = EPS,
        drop_path_rate: float = 0.0,
        out_indices: Sequence[int] | None = None,
        out_norm: bool = False,
        dense: bool = False,
        default_input: InputSpec | None = None,
    ) -> None:
        super().__init__(dense=dense, default_input=default_input)
        chosen = check_out_indices(out_indices, len(depths), what="stages")
        count = chosen[-1] + 1 if dense else len(depths)

        self.downsample = nn.ModuleList()
        self.stages = nn.ModuleList()
        rates = drop_path_rates(drop_path_rate, depths)
        for i in range(count):
            self.downsample.append(
                _stem(in_channels, dims[0]) if i == 0 else _halve(dims[i - 1], dims[i])
            )
            blocks = [
                ConvNeXtBlock(dims[i], drop_path=rate, layer_scale=layer_scale) for rate in rates[i]
            ]
            self.stages.append(nn.ModuleList(blocks))

        self.norm = nn.Identity() if dense else nn.LayerNorm(dims[-1], eps=head_norm_eps)
        self.embed_dim = dims[-1]
        specs = [FeatureSpec(dim, 4 * 2**i) for i, dim in enumerate(dims)]
        make_norm = partial(LayerNorm2d, eps=EPS) if out_norm or dense else None
        self.set_outputs(specs, chosen, make_norm)
        self.apply(init_linear_and_conv)

    def embed(self, images: Tensor) -> Tensor:
        """Pool the last map, then normalise: `(B, C_in, H, W)` to `(B, embed_dim)`."""
        self.check_can_embed()
        self.check_images(images)
        last = self.forward_stages(images, len(self.stages), classifier=True)[-1]
        return self.norm(last.mean(dim=(2, 3)))

    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        """Maps `(B, C, H, W)` of the first `count` stages; classifier and dense variant agree."""
        # Every layer keeps this memory order, in which norms and linear layers need no copies.
        x = images.contiguous(memory_format=torch.channels_last)
        maps = []
        for downsample, blocks in zip(self.downsample[:count], self.stages[:count], strict=True):
            x = downsample(x)
            for block in blocks.children():
                x = self.run_block(block, x)
            maps.append(x)
        return maps

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block; a down-sampling layer goes with the block that follows it."""
        levels = [["downsample.0"]]
        for i, blocks in enumerate(self.stages):
            for j, _ in enumerate(blocks.children()):
                before = [f"downsample.{i}"] if i > 0 and j == 0 else []
                levels.append([*before, f"stages.{i}.{j}"])
        return levels


def _stem(in_channels: int, dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, dim, kernel_size=4, stride=4), LayerNorm2d(dim, eps=EPS)
    )


def _halve(in_dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(
        LayerNorm2d(in_dim, eps=EPS), nn.Conv2d(in_dim, out_dim, kernel_size=2, stride=2)
    )


# Table 9. Drop-path rates are settings of a training recipe, not of a variant.
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny": {"dims": (96, 192, 384, 768), "depths": (3, 3, 9, 3)},
    "small": {"dims": (96, 192, 384, 768), "depths": (3, 3, 27, 3)},
    "base": {"dims": (128, 256, 512, 1024), "depths": (3, 3, 27, 3)},
    "large": {"dims": (192, 384, 768, 1536), "depths": (3, 3, 27, 3)},
    "xlarge": {"dims": (256, 512, 1024, 2048), "depths": (3, 3, 27, 3)},
}
