"""The transformer block that normalises before each of its two branches."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from vision.layers.drop_path import DropPath
from vision.layers.mlp import Mlp


class PreNormBlock(nn.Module):
    """Attention, then a feed-forward network, each normalised before and added to its input.

    "On Layer Normalization in the Transformer Architecture", 2020, Figure 1 (b).

    Args:
        dim: Width of the tokens.
        attn: The attention; maps tokens, and further arguments if there are any, to tokens. Its
            keyword `norm` is a module that normalises the tokens first.
        mlp_ratio: Hidden width of the feed-forward network, in widths of the tokens.
        act_layer: Builds its activation.
        dropout: Probability of dropping a value in the feed-forward network.
        drop_path: Probability of dropping a branch of a sample.
    """

    def __init__(
        self,
        dim: int,
        *,
        attn: nn.Module,
        mlp_ratio: float = 4.0,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim)
        hidden_dim = int(dim * mlp_ratio)
        self.mlp = Mlp(dim, hidden_dim=hidden_dim, act_layer=act_layer, dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        """Map tokens `x` `(B, ..., C)` to the same shape; the attention also gets `context`."""
        x = x + self.drop_path(self.attn(x, *context, norm=self.norm1))
        return x + self.drop_path(self.mlp(x, norm=self.norm2))
