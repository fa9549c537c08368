"""The decoder of DINO: queries that look at each other and at the maps, and move their boxes.

Letters: B images, D width, L maps, N cells of all maps together, Q queries.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vision.heads.detection.query_heads import QueryHeads
from vision.layers.activations import ACTIVATIONS, Activation
from vision.layers.deformable import DeformableAttention
from vision.layers.mlp import Mlp
from vision.layers.multi_head_attention import MultiHeadAttention
from vision.layers.perceptron import Perceptron
from vision.ops.flat_maps import FlatMaps
from vision.ops.sine_positions import box_codes


class Decoded(NamedTuple):
    """Queries after each decoder layer.

    Attributes:
        queries: float `(B, Q, D)` of each layer, with the last norm.
        references: float32 `(B, Q, 4)` boxes of the queries before each layer, and after the last
            one: (center x, center y, width, height) in [0, 1].
    """

    queries: list[Tensor]
    references: list[Tensor]


class DecoderLayer(nn.Module):
    """Other queries, the maps, and a feed-forward network, each with a norm after it.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159, section 4.2.

    Args:
        dim: Width D.
        num_levels: Number L of maps.
        num_heads: Heads of each attention.
        num_points: Points per head and map.
        hidden_dim: Width within the feed-forward network.
        dropout: Probability of dropping a value in training.
        activation: Activation of the feed-forward network.
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
        activation: Activation,
    ) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(dim, num_heads=num_heads, dropout=dropout)
        self.self_norm = nn.LayerNorm(dim)
        self.visual_attention = DeformableAttention(
            dim, num_levels=num_levels, num_heads=num_heads, num_points=num_points
        )
        self.visual_norm = nn.LayerNorm(dim)
        act_layer = ACTIVATIONS[activation]
        self.mlp = Mlp(dim, hidden_dim=hidden_dim, act_layer=act_layer, dropout=dropout)
        self.mlp_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        references: Tensor,
        memory: FlatMaps,
        bias: Tensor | None,
    ) -> Tensor:
        """Update the queries.

        Args:
            x: float `(B, Q, D)`.
            positions: float `(B, Q, D)`.
            references: float `(B, Q, L, 4)` boxes as shares of each map.
            memory: The maps.
            bias: float `(Q, Q)`, minus infinity where a query (row) must not see another; None if
                each sees all.

        Returns:
            float `(B, Q, D)`.
        """
        placed = x + positions
        x = self.self_norm(x + self.dropout(self.self_attention(placed, placed, x, bias)))
        found = self.visual_attention(
            x + positions, references, memory.cells, memory.sizes, memory.padding
        )
        x = self.visual_norm(x + self.dropout(found))
        return self.mlp_norm(x + self.mlp(x))

    def reset_parameters(self) -> None:
        """Initialise as published: Xavier's range for all matrices."""
        for norm in (self.self_norm, self.visual_norm, self.mlp_norm):
            norm.reset_parameters()
        for layer in (self.mlp.fc1, self.mlp.fc2):
            layer.reset_parameters()
            nn.init.xavier_uniform_(layer.weight)
        self.self_attention.reset_parameters()
        self.visual_attention.reset_parameters()


class DINODecoder(nn.Module):
    """Layers that update queries, and refine the box of each.

    "DINO: DETR with Improved DeNoising Anchor Boxes for End-to-End Object Detection", Zhang et al.,
    2022, https://arxiv.org/abs/2203.03605, section 3.5: a layer learns from its own box and from
    that of the next layer, which begins with it ("look forward twice").

    Args:
        layers: The layers.
        dim: Width D.
        padded_codes: Whether the codes of boxes are those of their shares of the padded image, as
            published, and not of the valid one.
    """

    def __init__(
        self, layers: Sequence[DecoderLayer], *, dim: int, padded_codes: bool = False
    ) -> None:
        super().__init__()
        self.dim, self.padded_codes = dim, padded_codes
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(dim)
        self.positions = Perceptron(dim, dim, depth=2, in_dim=2 * dim)
        self.reset_parameters()

    def forward(
        self,
        x: Tensor,
        references: Tensor,
        memory: FlatMaps,
        heads: QueryHeads,
        blocked: Tensor | None = None,
    ) -> Decoded:
        """Decode.

        Args:
            x: float `(B, Q, D)` the contents of the queries.
            references: float32 `(B, Q, 4)` their boxes.
            memory: The maps that they read.
            heads: Networks that make boxes of each layer's queries.
            blocked: bool `(Q, Q)`, whether a query (row) must not see another; None if each sees
                all.

        Returns:
            Queries and references.
        """
        ratios = memory.ratios
        of_levels = torch.cat([ratios, ratios], dim=-1)[:, None]  # (B, 1, L, 4)
        bias = None
        if blocked is not None:
            bias = torch.zeros_like(blocked, dtype=x.dtype).masked_fill(blocked, -torch.inf)
        queries, boxes = [], [references]
        for i, layer in enumerate(self.layers):
            places = references[:, :, None] * of_levels  # (B, Q, L, 4)
            codes = box_codes(places[:, :, 0] if self.padded_codes else references, self.dim)
            positions = self.positions(codes.to(x.dtype))
            x = layer(x, positions, places, memory, bias)
            boxes.append(heads.refine(i, x, references))
            references = boxes[-1].detach()
            queries.append(self.norm(x))
        return Decoded(queries, boxes)

    def reset_parameters(self) -> None:
        """Initialise as published: Xavier's range for all matrices."""
        self.norm.reset_parameters()
        for layer in self.positions.layers:
            assert isinstance(layer, nn.Linear), "a perceptron has linear layers"
            layer.reset_parameters()
            nn.init.xavier_uniform_(layer.weight)
        for decoder_layer in self.layers:
            assert isinstance(decoder_layer, DecoderLayer), "it is one of a list of such layers"
            decoder_layer.reset_parameters()
