"""The frame that ConvNeXt and HorNet share: everything but their blocks.

"A ConvNet for the 2020s", Liu et al., 2022, https://arxiv.org/abs/2201.03545, section 2.2 (macro
design) and section 2.6 (separate down-sampling layers).
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone, stage_levels
from vision.contracts.features import FeatureSpec
from vision.layers.drop_path import drop_path_rates
from vision.layers.init import init_linear_and_conv
from vision.layers.lean import Lean
from vision.layers.norm import LayerNorm2d

EPS = 1e-6
LAST_LEVEL = 12  # of layer-wise learning-rate decay in fine-tuning of a classifier


class ConvPyramid(Backbone):
    """A stem of 4 x 4 patches and stages of blocks with 2 x 2 down-sampling between them.

    Remainders of the stem and of the down-sampling are dropped, as published. The classifier pools
    the last map, then normalises it.

    Attributes:
        blocks_per_level: Blocks of the third stage that share a level of `decay_groups`.
        keep_corners: Whether zeros are added so that odd maps keep their corner cells: before the
            stem one row and column at the top and left and two at the bottom and right, before each
            down-sampling one at the bottom and right.
    """

    input_conv = "downsample.0.0.weight"
    blocks_per_level: ClassVar[int]
    keep_corners: bool = False

    def build(
        self, dims: Sequence[int], depths: Sequence[int], *, head_norm_eps: float = EPS
    ) -> None:
        """Build all layers; called once, at the end of the constructor.

        Args:
            dims: Channels of each stage.
            depths: Blocks of each stage.
            head_norm_eps: Epsilon of the norm after pooling.
        """
        count = self.choose_outputs(len(depths))
        self.downsample = nn.ModuleList()
        self.stages = nn.ModuleList()
        for i, rates in enumerate(drop_path_rates(self._drop_path_rate, depths)[:count]):
            entry = _stem(self.in_channels, dims[0]) if i == 0 else _Halve(dims[i - 1], dims[i])
            self.downsample.append(entry)
            self.stages.append(nn.ModuleList(self.make_block(i, rate) for rate in rates))

        self.norm = nn.Identity() if self.dense else nn.LayerNorm(dims[-1], eps=head_norm_eps)
        self.embed_dim = dims[-1]
        specs = [FeatureSpec(dim, 4 * 2**i) for i, dim in enumerate(dims)]
        self.set_outputs(specs, partial(LayerNorm2d, eps=EPS))
        self.apply(init_linear_and_conv)

    @abstractmethod
    def make_block(self, stage: int, drop_path: float) -> nn.Module:
        """A block of a stage; it maps `(B, C, H, W)` to the same shape."""

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
        maps: list[Tensor] = []
        for downsample, blocks in zip(self.downsample[:count], self.stages[:count], strict=True):
            if self.keep_corners:
                x = F.pad(x, (0, 1, 0, 1) if maps else (1, 2, 1, 2))
            x = downsample(x)
            for block in blocks.children():
                x = self.run_block(block, x)
            maps.append(x)
        return maps

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block; a down-sampling layer goes with the block that follows it."""
        return stage_levels(self.stages, stem=["downsample.0"], entry="downsample.{}")

    def decay_groups(self) -> list[list[str]]:
        """The levels of the authors' fine-tuning: 13, or fewer in a shallower dense variant.

        Level 0 is the stem, 1 and 2 are the first two stages; of the third stage each
        `blocks_per_level` blocks are one level from 3 on. The last stage is level 12 in a
        classifier, and the next after the third stage in a dense variant (6 for nine blocks of
        ConvNeXt-T). The layer before a stage belongs to the level of its first block. Norms of the
        outputs are left out. ("A ConvNet for the 2020s", 2022, appendix A.2 and A.3, and the
        released code of either paper.)
        """
        if len(self.stages) != 4:  # published for four stages
            return self.layer_groups()
        blocks: int = len(self.stages[2])  # type: ignore[arg-type]
        last = 3 + math.ceil(blocks / self.blocks_per_level) if self.dense else LAST_LEVEL
        groups: list[list[str]] = [[] for _ in range(last + 1)]
        for name, _ in self.named_parameters():
            part, *numbers = name.split(".")[:3]
            if part not in ("downsample", "stages"):
                continue
            stage, block = int(numbers[0]), int(numbers[1]) if part == "stages" else 0
            third = min(3 + block // self.blocks_per_level, last - 1)
            level = (1, 2, third, last)[stage]
            groups[0 if (part, stage) == ("downsample", 0) else level].append(name)
        return groups

    def stage_decay_groups(self) -> list[list[str]]:
        """The levels of the authors' semantic segmentation.

        Level 0 is the stem and the layers between the stages, level i the blocks of stage i,
        counted from 1. Norms of the outputs are left out. (The released code of either paper.)
        """
        groups: list[list[str]] = [[] for _ in range(1 + len(self.stages))]
        for name, _ in self.named_parameters():
            part, number = name.split(".")[:2]
            if part in ("downsample", "stages"):
                groups[0 if part == "downsample" else 1 + int(number)].append(name)
        return groups


def _stem(in_channels: int, dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, dim, kernel_size=4, stride=4), LayerNorm2d(dim, eps=EPS)
    )


class _Halve(Lean, nn.Sequential):
    """Normalise a map and halve it by a convolution."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(
            LayerNorm2d(in_dim, eps=EPS), nn.Conv2d(in_dim, out_dim, kernel_size=2, stride=2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to `(B, C', H / 2, W / 2)`."""
        norm, conv = self
        return self.run_layer(conv, partial(norm, x))
