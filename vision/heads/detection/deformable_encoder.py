"""The encoder of DINO: the cells of all maps look at each other by deformable attention.

Letters: B images, D width, L maps, N cells of all maps together.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.layers.activations import ACTIVATIONS, Activation
from vision.layers.deformable_encoder import DeformableEncoderLayer, cell_centres
from vision.ops.flat_maps import flatten_maps, split_maps
from vision.ops.sine_positions import valid_positions


class DeformableEncoder(nn.Module):
    """Layers of deformable attention, with codes of the places and the maps of cells.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159, section 4.2, as in the
    code of DINO. Positions and references are shares of the valid images, so that padding changes
    neither; its cells are not read.

    Args:
        dim: Width D, a multiple of 4 and of the heads.
        num_levels: Number L of maps.
        num_heads: Heads of the attention.
        num_points: Points per head and map.
        hidden_dim: Width within the feed-forward networks.
        depth: Number of layers.
        dropout: Probability of dropping a value in training.
        activation: Activation of the feed-forward networks.
        temperatures: Of the codes of rows and columns, see `valid_positions`.
    """

    def __init__(
        self,
        *,
        dim: int,
        num_levels: int,
        num_heads: int = 8,
        num_points: int = 4,
        hidden_dim: int = 2048,
        depth: int = 6,
        dropout: float = 0.0,
        activation: Activation = "relu",
        temperatures: tuple[float, float] = (20.0, 20.0),
    ) -> None:
        super().__init__()
        self.dim, self.temperatures = dim, temperatures
        self.level_codes = nn.Parameter(torch.empty(num_levels, dim))
        self.layers = nn.ModuleList(
            DeformableEncoderLayer(
                dim,
                num_levels=num_levels,
                num_heads=num_heads,
                num_points=num_points,
                hidden_dim=hidden_dim,
                dropout=dropout,
                act_layer=ACTIVATIONS[activation],
            )
            for _ in range(depth)
        )
        nn.init.normal_(self.level_codes)

    def forward(
        self, maps: Sequence[Tensor], padding: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Encode the maps of a pyramid.

        Args:
            maps: L maps `(B, D, h, w)`, finest first.
            padding: For each, bool `(B, h, w)`, the cells that lie in padding; None for none.

        Returns:
            L maps `(B, D, h, w)`; cells of padding mean nothing.
        """
        if padding is None:
            padding = [torch.zeros_like(x[:, 0], dtype=torch.bool) for x in maps]
        flat = flatten_maps(maps, padding)
        codes = torch.cat(
            [
                self.positions(one).to(flat.cells.dtype).flatten(1, 2) + code
                for one, code in zip(padding, self.level_codes, strict=True)
            ],
            dim=1,
        )
        x = flat.cells
        # In float32: half precision would move cells by parts of a cell.
        references = cell_centres(flat.sizes, x.device, flat.ratios)
        for layer in self.layers:
            x = layer(x, codes, references, flat.sizes, flat.padding)
        return split_maps(x, flat.sizes)

    def positions(self, padding: Tensor) -> Tensor:
        """The codes float32 `(B, h, w, D)` of the places of cells, of which some are padding."""
        return valid_positions(padding, self.dim, temperatures=self.temperatures)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        nn.init.normal_(self.level_codes)
        for layer in self.layers:
            assert isinstance(layer, DeformableEncoderLayer), "it is one of a list of such layers"
            layer.reset_parameters()
