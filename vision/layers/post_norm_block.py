"""A transformer layer whose norms follow its residual sums, as DETR has it.

Letters: B images, N cells, D width.
"""

import math
from collections.abc import Callable

from torch import Tensor, nn

from vision.layers.mlp import Mlp
from vision.layers.multi_head_attention import MultiHeadAttention


class PostNormBlock(nn.Module):
    """Attention among cells, then a feed-forward network, each with a norm after it.

    "Attention Is All You Need", Vaswani et al., 2017, section 3.1; positions are added to queries
    and keys, not to values, as in "End-to-End Object Detection with Transformers", Carion et al.,
    2020, https://arxiv.org/abs/2005.12872. Its owner calls `reset_parameters`.

    Args:
        dim: Width D.
        num_heads: Heads of the attention.
        hidden_dim: Width within the feed-forward network.
        act_layer: Builds the activation of the feed-forward network.
        dropout: Probability of dropping a value in training.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        hidden_dim: int,
        act_layer: Callable[[], nn.Module],
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(dim, num_heads=num_heads, dropout=dropout)
        self.norm1 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden_dim=hidden_dim, act_layer=act_layer, dropout=dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def attend(self, x: Tensor, positions: Tensor, bias: Tensor | None = None) -> Tensor:
        """Let the cells look at each other.

        Args:
            x: float `(B, N, D)`.
            positions: float `(N, D)` or `(B, N, D)`, the code of the place of each cell.
            bias: Added to the scaled scores; broadcasts to `(B, heads, N, N)`.

        Returns:
            float `(B, N, D)`.
        """
        placed = x + positions
        x = self.norm1(x + self.dropout(self.attention(placed, placed, x, bias)))
        return self.norm2(x + self.mlp(x))

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does the parts of its own such layer."""
        self.attention.reset_parameters()
        for layer in (self.norm1, self.norm2, self.mlp.fc1, self.mlp.fc2):
            layer.reset_parameters()
        nn.init.kaiming_uniform_(self.attention.output.weight, a=math.sqrt(5))
