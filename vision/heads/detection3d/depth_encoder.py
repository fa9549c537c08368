"""What the decoder of MonoDETR reads of depth: features that see each other, and a code of depth.

Letters: D width, h x w cells of stride 16.
"""

import torch
from torch import Tensor, nn

from vision.layers.post_norm_block import PostNormBlock


class DepthEncoder(PostNormBlock):
    """A transformer layer over the cells of a map, and a table of codes of depth.

    "MonoDETR", Zhang et al., 2023, https://arxiv.org/abs/2203.13310: the depth
    encoder, and the depth positional encodings, one per metre, which are interpolated.

    Args:
        dim: Width D.
        num_heads: Heads of the attention.
        hidden_dim: Width within the feed-forward network.
        max_depth: Largest depth in metres that has a code.
        dropout: Probability of dropping a value in training.
    """

    def __init__(
        self, dim: int, *, num_heads: int, hidden_dim: int, max_depth: float, dropout: float
    ) -> None:
        super().__init__(
            dim, num_heads=num_heads, hidden_dim=hidden_dim, act_layer=nn.ReLU, dropout=dropout
        )
        self.max_depth = max_depth
        self.table = nn.Parameter(torch.empty(int(max_depth) + 1, dim))
        self.reset_parameters()

    def forward(self, features: Tensor, positions: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a map.

        Args:
            features: float `(B, D, h, w)`.
            positions: float `(h * w, D)`, the code of the place of each cell.
            depth: float `(B, h, w)` in metres.

        Returns:
            The encoded cells `(B, h * w, D)`, and the code of their depth of the same shape, which
            they hold already.
        """
        x = features.flatten(2).transpose(1, 2)  # (B, h * w, D)
        x = self.attend(x, positions)
        code = self.code(depth.flatten(1)).to(x.dtype)
        return x + code, code

    def code(self, depth: Tensor) -> Tensor:
        """Rows of the table, interpolated linearly.

        Args:
            depth: float `(...)` in metres; what is out of range has the code of the nearest end.

        Returns:
            float `(..., D)`.
        """
        place = depth.clamp(0, self.max_depth)
        low = place.floor()
        share = (place - low)[..., None]
        last = len(self.table) - 1
        below, above = self.table[low.long()], self.table[(low.long() + 1).clamp(max=last)]
        return below * (1 - share) + above * share

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        super().reset_parameters()
        nn.init.normal_(self.table)
