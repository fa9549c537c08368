"""Multi-scale deformable attention: each query looks at a few places of every map.

Letters: D width, L maps, N cells of all maps together, Q queries, P points per head and map.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.ops.bilinear import chosen_sampling
from vision.ops.boxes import at_least_float32
from vision.ops.deformable_sampling import sum_by_bags, sum_by_gather, sum_by_grid
from vision.ops.tracing import is_traced
from vision.options import MAX_WIDTH, check_number

# Height and width of a map; tensors while a model is traced.
Size = tuple[int, int]


class DeformableAttention(nn.Module):
    """Attention to P points of L maps around a reference, where the query says.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159, section 4.1. References
    are points, or boxes whose size scales the offsets. The boxes of six numbers are those of
    "MonoDETR", Zhang et al., 2023, https://arxiv.org/abs/2203.13310: their point need not be the
    middle.

    Args:
        dim: Width D, a multiple of the heads.
        num_levels: Number L of maps.
        num_heads: Number of heads.
        num_points: Number P of points per head and map.

    Raises:
        ConfigError: A number is below 1, or the heads do not divide the width.
    """

    def __init__(
        self, dim: int, *, num_levels: int = 4, num_heads: int = 8, num_points: int = 4
    ) -> None:
        super().__init__()
        for name, value in {
            "dim": dim,
            "num_levels": num_levels,
            "num_heads": num_heads,
            "num_points": num_points,
        }.items():
            check_number(name, value, minimum=1, maximum=MAX_WIDTH)
        if dim % num_heads:
            raise ConfigError(f"dim={dim} must be a multiple of num_heads={num_heads}.")
        self.num_levels, self.num_heads, self.num_points = num_levels, num_heads, num_points
        places = num_heads * num_levels * num_points
        self.offsets = nn.Linear(dim, 2 * places)
        self.weights = nn.Linear(dim, places)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.reset_parameters()

    def forward(
        self,
        query: Tensor,
        references: Tensor,
        memory: Tensor,
        sizes: Sequence[Size],
        padding: Tensor | None = None,
    ) -> Tensor:
        """Attend to the maps.

        Args:
            query: float `(B, Q, D)`.
            references: float `(B, Q, L, 2)` points (x, y), `(B, Q, L, 4)` boxes (x, y, width,
                height) around their middle, or `(B, Q, L, 6)` boxes (x, y, left, right, top,
                bottom) by the distances of their sides from the point. All are shares of the map,
                so that (0, 0) is the corner of its first cell and (1, 1) that of its last.
            memory: float `(B, N, D)`, the cells of all maps, row by row, map by map.
            sizes: Height and width of each map in cells.
            padding: bool `(B, N)`, cells whose value is zero; None for none.

        Returns:
            float `(B, Q, D)`.

        Raises:
            ConfigError: The references have neither 2, 4 nor 6 numbers.
        """
        value = self.value(memory)
        if padding is not None:
            value = value.masked_fill(padding[..., None], 0)
        heads, (batch, count) = self.num_heads, query.shape[:2]
        # Not by unflatten, which makes constants of sizes that are traced.
        value = value.reshape(batch, memory.shape[1], heads, -1)  # (B, N, heads, D / heads)
        shape = (batch, count, heads, self.num_levels, self.num_points)
        # Places are in float32: half precision would move them by parts of a cell.
        offsets = at_least_float32(self.offsets(query)).reshape(*shape, 2)  # (B,Q,heads,L,P,2)
        # One softmax over the points of all maps.
        weights = self.weights(query).reshape(batch, count, heads, -1).softmax(dim=-1)
        locations = self._locations(offsets, references, sizes)
        found = deformable_attention(value, sizes, locations, weights.reshape(shape))
        return self.output(found.to(value.dtype))

    def reset_parameters(self) -> None:
        """Initialise as published: point j of head i is j cells away in direction i."""
        angles = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=-1)  # (heads, 2)
        directions = directions / directions.abs().amax(dim=-1, keepdim=True)
        distances = torch.arange(1, self.num_points + 1)
        places = directions[:, None, None] * distances[:, None]  # (heads, 1, P, 2)
        nn.init.zeros_(self.offsets.weight)
        with torch.no_grad():
            self.offsets.bias.copy_(places.expand(-1, self.num_levels, -1, -1).flatten())
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        for layer in (self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _locations(self, offsets: Tensor, references: Tensor, sizes: Sequence[Size]) -> Tensor:
        """Places `(B, Q, heads, L, P, 2)` from offsets of the same shape."""
        numbers = references.shape[-1]
        references = references[:, :, None, :, None]  # (B, Q, 1, L, 1, numbers)
        middle = references[..., :2]
        if numbers == 2:
            # Offsets are in cells. Sizes that are traced are tensors, which a list would freeze.
            x = torch.stack([offsets[..., i, :, 0] / size[1] for i, size in enumerate(sizes)], -2)
            y = torch.stack([offsets[..., i, :, 1] / size[0] for i, size in enumerate(sizes)], -2)
            return middle + torch.stack([x, y], dim=-1)
        if numbers == 4:
            extent = references[..., 2:]
        elif numbers == 6:
            extent = references[..., 2::2] + references[..., 3::2]
        else:
            raise ConfigError(
                f"a reference has 2, 4 or 6 numbers, a point or a box; got {numbers}."
            )
        return middle + offsets / self.num_points * extent / 2


def deformable_attention(
    value: Tensor, sizes: Sequence[Size], locations: Tensor, weights: Tensor
) -> Tensor:
    """Weighted sum of values at places of several maps ("Deformable DETR", equation 3).

    Values between cells are interpolated bilinearly; beyond the border they are zero. The form of
    the computation depends on the device and on `sampling_by`.

    Args:
        value: float `(B, N, heads, D)`, the cells of all maps, row by row, map by map.
        sizes: Height and width of each map in cells.
        locations: float `(B, Q, heads, L, P, 2)` of (x, y), as shares of each map.
        weights: float `(B, Q, heads, L, P)`.

    Returns:
        float `(B, Q, heads * D)`.
    """
    if chosen_sampling() == "gather":
        return sum_by_gather(value, sizes, locations, weights)
    # Sums over bags have no counterpart in ONNX, and a compiler has its own ways.
    if value.device.type == "cpu" and not is_traced():
        return sum_by_bags(value, sizes, locations, weights)
    return sum_by_grid(value, sizes, locations, weights)
