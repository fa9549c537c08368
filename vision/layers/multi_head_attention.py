"""Attention of several heads from queries to keys that may be others."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.layers.attention import attend


class MultiHeadAttention(nn.Module):
    """Softmax attention with linear layers before and after it.

    "Attention Is All You Need", Vaswani et al., 2017, section 3.2.2. The parameters are those of
    `nn.MultiheadAttention`, under names of ours.

    Args:
        dim: Width D, a multiple of the heads.
        num_heads: Number of heads.
        dropout: Probability of dropping an attention weight in training.

    Raises:
        ConfigError: The heads do not divide the width.
    """

    def __init__(self, dim: int, *, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % num_heads:
            raise ConfigError(f"dim={dim} must be a multiple of num_heads={num_heads}.")
        self.num_heads, self.dropout = num_heads, dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)
        self.reset_parameters()

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """Attend.

        Args:
            query: float `(B, Q, D)`.
            key: float `(B, N, D)`.
            value: float `(B, N, D)`.
            bias: Added to the scaled scores, minus infinity where a query must not look; broadcasts
                to `(B, heads, Q, N)`.

        Returns:
            float `(B, Q, D)`.
        """
        weights, biases = self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)
        q, k, v = (
            self._heads(F.linear(x, weight, bias))
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        dropout = self.dropout if self.training else 0.0
        x = attend(q, k, v, bias=bias, dropout=dropout).transpose(1, 2)  # (B, Q, heads, D / heads)
        return self.output(x.flatten(-2))

    def reset_parameters(self) -> None:
        """Initialise as `nn.MultiheadAttention`, with Xavier's range for the last layer too."""
        for layer in (self.qkv, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _heads(self, x: Tensor) -> Tensor:
        """Split `(B, N, D)` into `(B, heads, N, D / heads)`."""
        x = x.unflatten(-1, (self.num_heads, -1))
        return torch.transpose(x, 1, 2)
