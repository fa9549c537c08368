"""ConvNeXt: a convolutional network with the macro design of a Swin transformer.

"A ConvNet for the 2020s", Liu et al., 2022, https://arxiv.org/abs/2201.03545.
Weights: facebookresearch/ConvNeXt (MIT). The paper's Table 9 lists the variants.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.base import BackboneOptions
from vision.backbones.conv_pyramid import EPS, ConvPyramid
from vision.keywords import Unpack
from vision.layers.drop_path import DropPath
from vision.layers.mlp import Mlp


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
        branch = self.mlp(branch, norm=self.norm, scale=self.gamma)
        return x + self.drop_path(branch.permute(0, 3, 1, 2))  # (B, C, H, W)


class ConvNeXt(ConvPyramid):
    """ConvNeXt backbone with maps at strides 4, 8, 16 and 32.

    Remainders of the stride-4 stem and of the stride-2 down-sampling are dropped, as published.

    Args:
        dims: Channels of each stage.
        depths: Blocks of each stage.
        layer_scale: Initial value of the layer scale; 0 leaves it out. 1e-6 to train on ImageNet,
            1.0 to fine-tune detection and segmentation.
        head_norm_eps: Epsilon of the norm after pooling; transformers has 1e-12.
        keep_corners: Whether zeros are added before the stem and before each down-sampling, so
            that an image of 1281 pixels has maps of 321, 161, 81 and 41, as in kMaX-DeepLab.
        **options: Keywords that all backbones have: see `Backbone`.
    """

    family = "convnext"
    blocks_per_level = 3

    def __init__(
        self,
        *,
        dims: Sequence[int] = (96, 192, 384, 768),
        depths: Sequence[int] = (3, 3, 9, 3),
        layer_scale: float = 1e-6,
        head_norm_eps: float = EPS,
        keep_corners: bool = False,
        **options: Unpack[BackboneOptions],
    ) -> None:
        super().__init__(**options)
        self._dims, self._layer_scale = tuple(dims), layer_scale
        self.keep_corners = keep_corners
        self.build(dims, depths, head_norm_eps=head_norm_eps)

    def make_block(self, stage: int, drop_path: float) -> nn.Module:
        """A block of a stage."""
        return ConvNeXtBlock(self._dims[stage], drop_path=drop_path, layer_scale=self._layer_scale)


# Table 9. Drop-path rates are settings of a training recipe, not of a variant.
VARIANTS: dict[str, dict[str, Any]] = {
    "tiny": {"dims": (96, 192, 384, 768), "depths": (3, 3, 9, 3)},
    "small": {"dims": (96, 192, 384, 768), "depths": (3, 3, 27, 3)},
    "base": {"dims": (128, 256, 512, 1024), "depths": (3, 3, 27, 3)},
    "large": {"dims": (192, 384, 768, 1536), "depths": (3, 3, 27, 3)},
    "xlarge": {"dims": (256, 512, 1024, 2048), "depths": (3, 3, 27, 3)},
}
