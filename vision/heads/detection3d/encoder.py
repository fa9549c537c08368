"""The visual encoder of MonoDETR: the cells of all maps look at each other.

Letters: D width, L maps, N cells of all maps together.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.layers.deformable import DeformableAttention, Size
from vision.layers.mlp import Mlp


class EncoderLayer(nn.Module):
    """Deformable attention among cells, then a feed-forward network, each with a norm after it.

    Args:
        dim: Width D.
        num_levels: Number L of maps.
        num_heads: Heads of the attention.
        num_points: Points per head and map.
        hidden_dim: Width within the feed-forward network.
        dropout: Probability of dropping a value in training.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_levels: int,
        num_heads: int,
        num_points: int,
        hidden_dim: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention = DeformableAttention(
            dim, num_levels=num_levels, num_heads=num_heads, num_points=num_points
        )
        self.norm1 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden_dim=hidden_dim, act_layer=nn.ReLU, dropout=dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def forward(
        self, x: Tensor, positions: Tensor, references: Tensor, sizes: Sequence[Size]
    ) -> Tensor:
        """Update the cells.

        Args:
            x: float `(B, N, D)`.
            positions: float `(N, D)`, the code of the place and the map of each cell.
            references: float `(1, N, L, 2)`, where each cell lies in each map.
            sizes: Height and width of each map.

        Returns:
            float `(B, N, D)`.
        """
        found = self.attention(x + positions, references, x, sizes)
        x = self.norm1(x + self.dropout(found))
        return self.norm2(x + self.mlp(x))

    def reset_parameters(self) -> None:
        """Initialise as published: Xavier's range for the feed-forward network."""
        self.attention.reset_parameters()
        for norm in (self.norm1, self.norm2):
            norm.reset_parameters()
        for layer in (self.mlp.fc1, self.mlp.fc2):
            layer.reset_parameters()
            nn.init.xavier_uniform_(layer.weight)


def cell_centres(sizes: Sequence[Size], device: torch.device) -> Tensor:
    """Where the middle of each cell lies.

    Args:
        sizes: Height and width of each map.
        device: Where it is computed.

    Returns:
        float32 `(1, N, L, 2)`, (x, y) in [0, 1], the same in each map.
    """
    centres = []
    for height, width in sizes:
        rows = (torch.arange(height, dtype=torch.float32, device=device) + 0.5) / height
        columns = (torch.arange(width, dtype=torch.float32, device=device) + 0.5) / width
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)  # (h, w, 2)
        centres.append(grid.flatten(0, 1))
    return torch.cat(centres)[None, :, None].expand(-1, -1, len(sizes), -1)
