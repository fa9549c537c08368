"""The encoder of RT-DETR: attention within the coarsest map, convolutions among maps.

Letters: B images, D width, L maps, N cells of the coarsest map.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.heads.detection.csp_fusion import ConvNorm, CSPFusion, without
from vision.layers.post_norm_block import PostNormBlock
from vision.ops.sine_positions import cell_positions


class HybridEncoder(nn.Module):
    """One layer of attention on the coarsest map, then fusion from coarse to fine and back.

    "DETRs Beat YOLOs on Real-time Object Detection", Zhao et al., 2023,
    https://arxiv.org/abs/2304.08069, section 4.2. In evaluation every convolution and its norm, and
    the two branches of a block, are one convolution. Cells of padding are not seen: attention
    leaves them out, and they are zero before every convolution that reads neighbours.

    Args:
        dim: Width D of all maps, a multiple of 4 and of the heads.
        num_levels: Number L of maps.
        num_heads: Heads of the attention.
        hidden_dim: Width within the feed-forward network after it.
        expansion: Channels within a fusion, as a multiple of D: 1 with RT-DETR's larger backbones,
            0.5 with ResNet-18 and 34.
        num_blocks: Blocks of two branches in each fusion.
        dropout: Probability of dropping a value of the attention layer in training.
    """

    def __init__(
        self,
        *,
        dim: int,
        num_levels: int = 3,
        num_heads: int = 8,
        hidden_dim: int = 1024,
        expansion: float = 1.0,
        num_blocks: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.attention = PostNormBlock(
            dim, num_heads=num_heads, hidden_dim=hidden_dim, act_layer=nn.GELU, dropout=dropout
        )
        steps = num_levels - 1
        self.laterals = nn.ModuleList(ConvNorm(dim, dim) for _ in range(steps))
        self.top_down = nn.ModuleList(
            CSPFusion(dim, expansion=expansion, num_blocks=num_blocks) for _ in range(steps)
        )
        self.halvings = nn.ModuleList(
            ConvNorm(dim, dim, kernel_size=3, stride=2) for _ in range(steps)
        )
        self.bottom_up = nn.ModuleList(
            CSPFusion(dim, expansion=expansion, num_blocks=num_blocks) for _ in range(steps)
        )
        self.attention.reset_parameters()

    def forward(
        self, maps: Sequence[Tensor], padding: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Encode the maps of a pyramid.

        Args:
            maps: L maps `(B, D, h, w)`, finest first, each of half the size of the one before,
                rounded either way.
            padding: For each, bool `(B, h, w)`, the cells that lie in padding; None for none.

        Returns:
            L maps `(B, D, h, w)`, zero in cells of padding.
        """
        hidden = [None] * len(maps) if padding is None else [one[:, None] for one in padding]
        given = [without(x, one) for x, one in zip(maps, hidden, strict=True)]
        x = without(self._attend(given[-1], hidden[-1]), hidden[-1])
        # From coarse to fine; `coarse` holds what the way back merges with, finest last.
        coarse = []
        steps = zip(self.laterals, self.top_down, reversed(given[:-1]), strict=True)
        for i, (lateral, fuse, finer) in enumerate(steps):
            x = without(lateral(x), hidden[-1 - i])
            coarse.append(x)
            larger = F.interpolate(x, size=finer.shape[-2:], mode="nearest")
            x = fuse(larger, finer, hidden[-2 - i])
        merged = [x]
        for i, (halve, fuse) in enumerate(zip(self.halvings, self.bottom_up, strict=True)):
            rest = coarse[-1 - i]
            # The convolution rounds up; a backbone may have rounded down.
            halved = halve(x)[..., : rest.shape[-2], : rest.shape[-1]]
            x = fuse(halved, rest, hidden[i + 1])
            merged.append(x)
        return merged

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does such layers."""
        self.attention.reset_parameters()
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.reset_parameters()

    def _attend(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """Let the cells of a map `(B, D, h, w)` look at each other."""
        size = (x.shape[-2], x.shape[-1])
        positions = cell_positions(size, self.dim, x.device).flatten(0, 1).to(x.dtype)
        bias = None
        if padding is not None:
            bias = torch.zeros_like(padding, dtype=x.dtype).masked_fill(padding, -torch.inf)
            bias = bias.flatten(2)[:, None]  # (B, 1, 1, N)
        cells = self.attention.attend(x.flatten(2).transpose(1, 2), positions, bias)
        return cells.transpose(1, 2).reshape(x.shape)
