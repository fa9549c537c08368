"""HorNet as its equations read.

"HorNet: Efficient High-Order Spatial Interactions with Recursive Gated Convolutions", 2022,
sections 3.1 and 3.2, equations 3.1 to 3.7; the global filter from "Global Filter Networks for Image
Classification", 2021, section 3.2.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.benchmarks.peers.literal import (
    LiteralPeer,
    normalize_channels,
    project,
    scale_channels,
)


class LiteralHorNet(LiteralPeer):
    """HorNet with one product after the other, channels first."""

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, embed_dim)`."""
        pooled = self.run_stages(images)[-1].mean(dim=(2, 3), keepdim=True)
        return normalize_channels(pooled, self.parts.norm).flatten(1)

    def run_stages(self, images: Tensor) -> list[Tensor]:
        """The map `(B, C, H, W)` of each stage."""
        maps: list[Tensor] = []
        for downsample, blocks in zip(self.parts.downsample, self.parts.stages, strict=True):
            first, second = downsample
            if maps:
                x = second(normalize_channels(maps[-1], first))
            else:
                x = normalize_channels(first(images), second)
            for block in blocks:
                branch = recursive_gates(normalize_channels(x, block.norm1), block.gnconv)
                x = x + scale_channels(branch, block.gamma1)
                hidden = F.gelu(project(normalize_channels(x, block.norm2), block.mlp.fc1))
                x = x + scale_channels(project(hidden, block.mlp.fc2), block.gamma2)
            maps.append(x)
        return maps


def recursive_gates(x: Tensor, conv: Any) -> Tensor:
    """Equations 3.3 to 3.5: products of gates and of what a convolution or a filter mixes.

    Args:
        x: The normalised map `(B, C, H, W)`.
        conv: Owner of the weights.
    """
    p, q = project(x, conv.gate), project(x, conv.proj_in)
    is_filter = hasattr(conv.mix, "grid")
    q = (_mix_by_filter(q, conv.mix) if is_filter else conv.mix(q)) * conv.scale
    order = len(conv.steps) + 1
    widths = [x.shape[1] // 2 ** (order - 1 - k) for k in range(order)]
    for k, q_k in enumerate(q.split(widths, dim=1)):
        p = (p if k == 0 else project(p, conv.steps[k - 1])) * q_k
    return project(p, conv.proj_out)


def _mix_by_filter(x: Tensor, mix: Any) -> Tensor:
    """Half of the channels by a 3 x 3 convolution, half by a filter; they take turns after it."""
    near, far = normalize_channels(x, mix.pre_norm).chunk(2, dim=1)
    near = mix.conv(near)
    height, width = x.shape[2:]
    grid = F.interpolate(
        mix.grid.permute(3, 0, 1, 2),  # (2, C / 2, h, w)
        size=(height, width // 2 + 1),
        mode="bilinear",
        align_corners=True,
    )
    spectrum = torch.fft.rfft2(far, norm="ortho") * torch.complex(grid[0], grid[1])
    far = torch.fft.irfft2(spectrum, s=(height, width), norm="ortho")
    turns = [one for pair in zip(near.unbind(1), far.unbind(1), strict=True) for one in pair]
    return normalize_channels(torch.stack(turns, dim=1), mix.post_norm)
