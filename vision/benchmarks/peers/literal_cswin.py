"""CSWin as its equations read.

"CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows", 2021,
sections 3.2 to 3.4, equations 1 to 8.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.benchmarks.peers.literal import (
    LiteralPeer,
    attend,
    join,
    normalize_channels,
    project,
)


class LiteralCSWin(LiteralPeer):
    """CSWin with one attention for each stripe and head."""

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, embed_dim)`."""
        x = self.run_stages(images)[-1]
        return normalize_channels(x, self.parts.norm).mean(dim=(2, 3))

    def run_stages(self, images: Tensor) -> list[Tensor]:
        """The map `(B, C, H, W)` of each stage."""
        maps: list[Tensor] = []
        for (conv, norm), blocks in zip(self.parts.downsample, self.parts.stages, strict=True):
            stride, padding = (2, 1) if maps else (4, 2)
            x = maps[-1] if maps else images
            x = F.conv2d(x, conv.weight, conv.bias, stride=stride, padding=padding)
            x = normalize_channels(x, norm)
            for block in blocks:
                x = x + cross_shaped_attention(normalize_channels(x, block.norm1), block.attn)
                hidden = F.gelu(project(normalize_channels(x, block.norm2), block.mlp.fc1))
                x = x + project(hidden, block.mlp.fc2)
            maps.append(x)
        return maps


def cross_shaped_attention(x: Tensor, attn: Any) -> Tensor:
    """Equation 4: half of the heads attend in vertical, half in horizontal stripes.

    Args:
        x: The normalised map `(B, C, H, W)`.
        attn: Owner of the weights, and of the width of a stripe; None is one stripe, the whole map.
    """
    height, width = x.shape[2:]
    q, k, v = project(x, attn.qkv).chunk(3, dim=1)
    kernel, bias = attn.lepe.weight, attn.lepe.bias
    if attn.split_size is None:
        stripes = [(height, width)]
    else:
        stripes = [(height, attn.split_size), (attn.split_size, width)]
    halves = []
    for i, stripe in enumerate(stripes):
        parts = (one.chunk(len(stripes))[i] for one in (kernel, bias))
        q_i, k_i, v_i = (one.chunk(len(stripes), dim=1)[i] for one in (q, k, v))
        halves.append(_attend_in_stripes(q_i, k_i, v_i, stripe, attn, *parts))
    return project(torch.cat(halves, dim=1), attn.proj)


def _attend_in_stripes(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    stripe: tuple[int, int],
    attn: Any,
    kernel: Tensor,
    bias: Tensor,
) -> Tensor:
    """Equations 2, 3 and 7: attention in each stripe, and the convolution of its values.

    Zeros complete the stripes of a map that they do not divide, as many before as after it.
    """
    height, width = v.shape[2:]
    below, right = (-side % one for side, one in zip((height, width), stripe, strict=True))
    top, left = below // 2, right // 2
    q, k, v = (F.pad(one, (left, right - left, top, below - top)) for one in (q, k, v))
    rows: list[list[Tensor]] = []
    for i in range(0, v.shape[2], stripe[0]):
        rows.append([])
        for j in range(0, v.shape[3], stripe[1]):
            here = (..., slice(i, i + stripe[0]), slice(j, j + stripe[1]))
            q_s, k_s, v_s = (one[here].chunk(attn.branch_heads, dim=1) for one in (q, k, v))
            heads = zip(q_s, k_s, v_s, strict=True)
            mixed = [_attend_in_stripe(*head, scale=attn.scale) for head in heads]
            positions = F.conv2d(v[here], kernel, bias, padding=1, groups=v.shape[1])
            rows[-1].append(torch.cat(mixed, dim=1) + positions)
    return join(rows)[:, :, top : top + height, left : left + width]


def _attend_in_stripe(q: Tensor, k: Tensor, v: Tensor, *, scale: float) -> Tensor:
    """Attention of one head among the cells of a stripe, `(B, D, rows, columns)`."""
    q, k, tokens = (one.flatten(2).transpose(1, 2) for one in (q, k, v))  # (B, N, D)
    return attend(q, k, tokens, scale=scale).transpose(1, 2).unflatten(2, v.shape[2:])
