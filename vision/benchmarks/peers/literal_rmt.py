"""RMT as its equations read.

"RMT: Retentive Networks Meet Vision Transformers", 2023, sections 3.1 to 3.3, equations 1 to 8.
Where the published weights differ from the paper they count, as in our backbone: the logarithm of
the decay is added to the scores.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.benchmarks.peers.literal import (
    LiteralPeer,
    attend,
    normalize_channels,
    project,
    scale_channels,
)


class LiteralRMT(LiteralPeer):
    """RMT with one attention for each head."""

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, embed_dim)`."""
        x = project(self.run_stages(images)[-1], self.parts.proj)
        return F.silu(self.parts.proj_norm(x)).mean(dim=(2, 3))

    def run_stages(self, images: Tensor) -> list[Tensor]:
        """The map `(B, C, H, W)` of each stage."""
        maps: list[Tensor] = []
        x = self.parts.stem(images)
        for i, (blocks, prior) in enumerate(zip(self.parts.stages, self.parts.priors, strict=True)):
            if i > 0:
                x = self.parts.downsample[i - 1](x)
            for block in blocks:
                x = _run_block(x, block, prior)
            maps.append(x)
        return maps


def _run_block(x: Tensor, block: Any, prior: Any) -> Tensor:
    """Figure 3: position convolution, attention, feed-forward network with a convolution."""
    x = x + block.pos(x)
    branch = manhattan_attention(normalize_channels(x, block.norm1), block.attn, prior)
    x = x + scale_channels(branch, block.gamma1)
    hidden = F.gelu(project(normalize_channels(x, block.norm2), block.ffn.fc1))
    hidden = hidden + block.ffn.conv(hidden)
    return x + scale_channels(project(hidden, block.ffn.fc2), block.gamma2)


def manhattan_attention(x: Tensor, attn: Any, prior: Any) -> Tensor:
    """Equations 4 to 8: attention that fades with the distance, and the convolution of values.

    Args:
        x: The normalised map `(B, C, H, W)`.
        attn: Owner of the weights.
        prior: Owner of the rates of decay and of the frequencies of the rotations, and of whether
            rows and columns are attended to one after the other.
    """
    q, k = project(x, attn.qk).chunk(2, dim=1)
    v = project(x, attn.v)
    heads = []
    for i in range(attn.num_heads):
        q_i, k_i, v_i = (one.chunk(attn.num_heads, dim=1)[i] for one in (q, k, v))
        q_i, k_i = rotate(q_i, prior.frequencies), rotate(k_i, prior.frequencies)
        form = _attend_to_lines if prior.decomposed else _attend_to_map
        heads.append(form(q_i, k_i, v_i, prior.log_decay[i]))
    return project(torch.cat(heads, dim=1) + attn.local(v), attn.proj)


def rotate(x: Tensor, frequencies: list[float]) -> Tensor:
    """Multiply pairs of channels, as complex numbers, by `exp(i n f)` at the n-th cell of a map.

    Args:
        x: `(B, D, H, W)`.
        frequencies: One for each pair of channels, in radians per cell; cells count row by row.
    """
    batch, _, height, width = x.shape
    cells = torch.arange(height * width, dtype=x.dtype, device=x.device).view(height, width)
    turns = [torch.polar(torch.ones_like(cells), cells * frequency) for frequency in frequencies]
    pairs = torch.complex(x[:, 0::2], x[:, 1::2]) * torch.stack(turns)  # (B, D / 2, H, W)
    return torch.stack([pairs.real, pairs.imag], dim=2).reshape(batch, -1, height, width)


def _attend_to_map(q: Tensor, k: Tensor, v: Tensor, rate: Tensor) -> Tensor:
    """Equation 4: scores of all pairs of cells, with the decay of their Manhattan distance."""
    height, width = v.shape[2:]
    y, x = (
        one.flatten() for one in torch.meshgrid(_steps(height, v), _steps(width, v), indexing="ij")
    )
    distance = (y[:, None] - y).abs() + (x[:, None] - x).abs()  # (N, N)
    q, k, tokens = (one.flatten(2).transpose(1, 2) for one in (q, k, v))  # (B, N, D)
    mixed = attend(q, k, tokens, scale=q.shape[-1] ** -0.5, bias=rate * distance)
    return mixed.transpose(1, 2).unflatten(2, (height, width))


def _attend_to_lines(q: Tensor, k: Tensor, v: Tensor, rate: Tensor) -> Tensor:
    """Equation 7: attention in rows, then in columns to what the rows gave."""
    height, width = v.shape[2:]
    scale = q.shape[1] ** -0.5
    q, k, v = (one.permute(0, 2, 3, 1) for one in (q, k, v))  # (B, H, W, D)
    along = rate * (_steps(width, v)[:, None] - _steps(width, v)).abs()
    v = attend(q, k, v, scale=scale, bias=along)
    q, k, v = (one.transpose(1, 2) for one in (q, k, v))  # (B, W, H, D)
    along = rate * (_steps(height, v)[:, None] - _steps(height, v)).abs()
    return attend(q, k, v, scale=scale, bias=along).permute(0, 3, 2, 1)  # (B, D, H, W)


def _steps(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device)
