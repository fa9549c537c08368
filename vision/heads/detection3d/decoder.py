"""The depth-guided decoder of MonoDETR.

Letters: D width, L maps, N cells of all maps together, M cells of the map of depth, Q queries.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from vision.heads.detection3d.predictions import LayerPredictions
from vision.heads.detection3d.queries import GroupQueries
from vision.layers.deformable import DeformableAttention, Size
from vision.layers.mlp import Mlp
from vision.layers.multi_head_attention import MultiHeadAttention
from vision.ops.references import refine


class Memory(NamedTuple):
    """What queries read.

    Attributes:
        visual: float `(B, N, D)`, the cells of all maps.
        sizes: Height and width of each map.
        depth: float `(B, M, D)`, the cells of the map of depth.
    """

    visual: Tensor
    sizes: Sequence[Size]
    depth: Tensor


class Decoded(NamedTuple):
    """Queries after each decoder layer.

    Attributes:
        queries: float `(B, Q, D)` of each layer.
        boxes: float `(B, Q, 6)` of each layer: (x, y, left, right, top, bottom) in (0, 1).
        points: float `(B, Q, 2)` where the queries begin, in (0, 1).
    """

    queries: list[Tensor]
    boxes: list[Tensor]
    points: Tensor


class DecoderLayer(nn.Module):
    """Depth, other queries, the maps, and a feed-forward network, each with a norm after it.

    "MonoDETR", Zhang et al., 2023, https://arxiv.org/abs/2203.13310. Before the
    attention among queries, two linear layers each see the sum of position and content, as in the
    authors' code.

    Args:
        dim: Width D.
        num_levels: Number L of maps.
        num_heads: Heads of each attention.
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
        self.depth_attention = MultiHeadAttention(dim, num_heads=num_heads, dropout=dropout)
        self.depth_norm = nn.LayerNorm(dim)
        self.query_content = nn.Linear(dim, dim)
        self.query_position = nn.Linear(dim, dim)
        self.key_content = nn.Linear(dim, dim)
        self.key_position = nn.Linear(dim, dim)
        self.self_attention = MultiHeadAttention(dim, num_heads=num_heads, dropout=dropout)
        self.self_norm = nn.LayerNorm(dim)
        self.visual_attention = DeformableAttention(
            dim, num_levels=num_levels, num_heads=num_heads, num_points=num_points
        )
        self.visual_norm = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden_dim=hidden_dim, act_layer=nn.ReLU, dropout=dropout)
        self.mlp_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        references: Tensor,
        memory: Memory,
        groups: GroupQueries,
    ) -> Tensor:
        """Update the queries.

        Args:
            x: float `(B, Q, D)`.
            positions: float `(B, Q, D)`.
            references: float `(B, Q, 2)` points or `(B, Q, 6)` boxes.
            memory: What they read.
            groups: Which queries see each other.

        Returns:
            float `(B, Q, D)`.
        """
        found = self.depth_attention(x, memory.depth, memory.depth)
        x = self.depth_norm(x + self.dropout(found))
        placed = x + positions
        query = self.query_content(placed) + self.query_position(placed)
        key = self.key_content(placed) + self.key_position(placed)
        found = self.self_attention(groups.apart(query), groups.apart(key), groups.apart(x))
        x = self.self_norm(x + self.dropout(found.reshape(x.shape)))
        of_levels = references[:, :, None].expand(-1, -1, len(memory.sizes), -1)
        found = self.visual_attention(x + positions, of_levels, memory.visual, memory.sizes)
        x = self.visual_norm(x + self.dropout(found))
        return self.mlp_norm(x + self.mlp(x))

    def reset_parameters(self) -> None:
        """Initialise as published: Xavier's range for all matrices."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
                nn.init.xavier_uniform_(module.weight)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        for part in (self.depth_attention, self.self_attention, self.visual_attention):
            part.reset_parameters()


class DepthGuidedDecoder(nn.Module):
    """Layers that update queries, and refine the box of each.

    Args:
        layers: The layers.
        dim: Width D.
    """

    def __init__(self, layers: Sequence[DecoderLayer], *, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.points = nn.Linear(dim, 2)
        self.reset_parameters()

    def forward(
        self, memory: Memory, groups: GroupQueries, predictions: Sequence[LayerPredictions]
    ) -> Decoded:
        """Decode.

        Args:
            memory: What the queries read.
            groups: The queries.
            predictions: The networks of each layer; their boxes are the next layer's references.

        Returns:
            Queries and boxes of each layer.
        """
        positions, x = groups(memory.visual.shape[0])
        points = references = self.points(positions).sigmoid()
        queries, boxes = [], []
        for layer, predict in zip(self.layers, predictions, strict=True):
            x = layer(x, positions, references, memory, groups)
            queries.append(x)
            boxes.append(refine(references, predict.boxes(x)))
            references = boxes[-1].detach()
        return Decoded(queries, boxes, points)

    def reset_parameters(self) -> None:
        """Initialise as published."""
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer), "it is one of a list of such layers"
            layer.reset_parameters()
        nn.init.xavier_uniform_(self.points.weight)
        nn.init.zeros_(self.points.bias)
