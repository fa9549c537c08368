"""Queries in groups, of which only the first is used after the training.

"Group DETR", Chen et al., 2023, https://arxiv.org/abs/2207.13085: each group is matched with the
objects by itself. Groups share all layers, and do not see each other.

Letters: D width, G groups, Q queries of a group.
"""

import torch
from torch import Tensor, nn

from vision.options import MAX_COUNT, check_number


class GroupQueries(nn.Module):
    """A table of queries, each with a code of its position and a content.

    Args:
        dim: Width D.
        num_queries: Number Q of queries of a group.
        num_groups: Number G of groups in training.

    Raises:
        ConfigError: A number is below 1.
    """

    def __init__(self, dim: int, *, num_queries: int, num_groups: int) -> None:
        super().__init__()
        check_number("num_queries", num_queries, minimum=1, maximum=MAX_COUNT)
        check_number("num_groups", num_groups, minimum=1, maximum=MAX_COUNT)
        self.num_queries, self.num_groups = num_queries, num_groups
        self.table = nn.Parameter(torch.empty(num_groups * num_queries, 2 * dim))
        self.reset_parameters()

    def forward(self, batch: int) -> tuple[Tensor, Tensor]:
        """Positions and contents of the queries.

        Args:
            batch: Number B of images.

        Returns:
            float `(B, G * Q, D)` each in training, `(B, Q, D)` in evaluation.
        """
        table = self.table if self.training else self.table[: self.num_queries]
        positions, contents = table.expand(batch, -1, -1).chunk(2, dim=-1)
        return positions, contents

    def apart(self, x: Tensor) -> Tensor:
        """Put the groups of `(B, G * Q, D)` side by side with the images: `(B * G, Q, D)`."""
        return x.reshape(-1, self.num_queries, x.shape[-1])

    def reset_parameters(self) -> None:
        """Initialise from a standard normal."""
        nn.init.normal_(self.table)
