"""What the encoders of query detectors share: the cells of all maps look at each other.

Letters: B images, D width, L maps, N cells of all maps together.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vision.layers.deformable import DeformableAttention, Size
from vision.layers.mlp import Mlp


class DeformableEncoderLayer(nn.Module):
    """Deformable attention among cells, then a feed-forward network, each with a norm after it.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159, section 4.1.

    Args:
        dim: Width D.
        num_levels: Number L of maps.
        num_heads: Heads of the attention.
        num_points: Points per head and map.
        hidden_dim: Width within the feed-forward network.
        dropout: Probability of dropping a value in training.
        act_layer: Builds the activation of the feed-forward network.
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
        act_layer: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.attention = DeformableAttention(
            dim, num_levels=num_levels, num_heads=num_heads, num_points=num_points
        )
        self.norm1 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden_dim=hidden_dim, act_layer=act_layer, dropout=dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        references: Tensor,
        sizes: Sequence[Size],
        padding: Tensor | None = None,
    ) -> Tensor:
        """Update the cells.

        Args:
            x: float `(B, N, D)`.
            positions: float `(N, D)` or `(B, N, D)`, the code of the place and the map of each
                cell.
            references: float `(1, N, L, 2)` or `(B, N, L, 2)`, where each cell lies in each map.
            sizes: Height and width of each map.
            padding: bool `(B, N)`, cells beyond the valid image, which none reads; None for none.

        Returns:
            float `(B, N, D)`.
        """
        found = self.attention(x + positions, references, x, sizes, padding)
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


def cell_centres(
    sizes: Sequence[Size], device: torch.device, ratios: Tensor | None = None
) -> Tensor:
    """Where the middle of each cell lies.

    A cell lies at the same share of the valid image in all maps.

    Args:
        sizes: Height and width of each map.
        device: Where it is computed.
        ratios: float32 `(B, L, 2)`, the valid share of the width and height of each map; None if
            all is valid.

    Returns:
        float32 `(1, N, L, 2)`, or `(B, N, L, 2)` with ratios: (x, y) as shares of each map, in
        [0, 1] for valid cells.
    """
    centres = []
    for level, (height, width) in enumerate(sizes):
        rows = torch.arange(height, dtype=torch.float32, device=device) + 0.5
        columns = torch.arange(width, dtype=torch.float32, device=device) + 0.5
        if ratios is None:
            rows, columns = rows / height, columns / width
        else:
            rows = rows / (ratios[:, level, 1, None] * height)  # (B, h)
            columns = columns / (ratios[:, level, 0, None] * width)
        x, y = torch.broadcast_tensors(columns[..., None, :], rows[..., None])  # (..., h, w)
        centres.append(torch.stack([x, y], dim=-1).flatten(-3, -2))
    places = torch.cat(centres, dim=-2)  # (..., N, 2)
    if ratios is None:
        return places[None, :, None].expand(-1, -1, len(sizes), -1)
    return places[:, :, None] * ratios[:, None]
