"""Which cells of the encoder queries begin with.

Letters: B images, D width, L maps, N cells of all maps together, Q queries, K classes.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vision.heads.detection.query_heads import QueryHeads, reset_boxes, reset_classes
from vision.layers.perceptron import Perceptron
from vision.ops.boxes import at_least_float32
from vision.ops.flat_maps import FlatMaps

# Side of the box that a cell of the finest map proposes, as a share of the image; that of each
# coarser map is twice as large.
SIDE = 0.05
# A cell proposes no box with a number that is not between these.
LOWEST, HIGHEST = 0.01, 0.99


class Selected(NamedTuple):
    """The Q cells that are most likely to show an object.

    Attributes:
        cells: float `(B, Q, D)`, what they predict from.
        logits: float `(B, Q, K)` class logits.
        boxes: float32 `(B, Q, 4)` predicted boxes, (center x, center y, width, height) in [0, 1].
        proposals: float32 `(B, Q, 4)` the boxes before their change; all ones for a cell that
            proposes none.
    """

    cells: Tensor
    logits: Tensor
    boxes: Tensor
    proposals: Tensor


class QuerySelection(nn.Module):
    """Classes and boxes of all cells, of which the best ones are chosen.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159, appendix A.4, as in the
    code of DINO, where cells that propose no box, those of the border and of padding, all have the
    same classes and may be chosen too.

    Args:
        dim: Width D.
        num_classes: Number K of classes.
        num_queries: Number Q of queries; fewer are chosen if there are not as many cells.
        share_classes: Whether the layer for classes is that of the decoder's layers.
        share_boxes: The same for boxes.
        learned_side: Whether the sides of proposals are learnt.
        exact_padding: Whether cells of padding are chosen last, so that padding changes nothing;
            otherwise as published.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_classes: int,
        num_queries: int,
        share_classes: bool = False,
        share_boxes: bool = False,
        learned_side: bool = False,
        exact_padding: bool = True,
    ) -> None:
        super().__init__()
        self.num_queries, self.exact_padding = num_queries, exact_padding
        self.output = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.classes = None if share_classes else nn.Linear(dim, num_classes)
        self.boxes = None if share_boxes else Perceptron(dim, 4, depth=3)
        # Logits of width and height.
        self.side = nn.Parameter(torch.empty(2)) if learned_side else None
        self.reset_parameters()

    def forward(self, memory: FlatMaps, heads: QueryHeads) -> Selected:
        """Choose cells.

        Args:
            memory: Encoded cells.
            heads: Of the decoder, for what is shared with it.
        """
        proposals, usable = self.propose(memory)
        cells = memory.cells.masked_fill(~usable[..., None], 0)
        cells = self.norm(self.output(cells))
        logits = heads.logits(0, cells) if self.classes is None else self.classes(cells)
        count = min(self.num_queries, int(cells.shape[1]))
        best = at_least_float32(logits).amax(dim=-1)
        if self.exact_padding:
            best = best.masked_fill(memory.padding, -torch.inf)
        chosen = best.topk(count, dim=1).indices  # (B, Q)

        def take(values: Tensor) -> Tensor:
            return values.gather(1, chosen[..., None].expand(-1, -1, values.shape[-1]))

        cells, start = take(cells), take(proposals)
        change = heads.boxes[0](cells) if self.boxes is None else self.boxes(cells)
        boxes = (at_least_float32(change) + start).sigmoid()
        return Selected(cells, take(logits), boxes, start.sigmoid())

    def propose(self, memory: FlatMaps) -> tuple[Tensor, Tensor]:
        """Boxes around the cells, which are larger in coarser maps.

        Args:
            memory: Encoded cells.

        Returns:
            float32 `(B, N, 4)` logits of the boxes, and bool `(B, N)`, whether a cell proposes one;
            otherwise its logits are infinite.
        """
        device, boxes = memory.cells.device, []
        for level, (height, width) in enumerate(memory.sizes):
            rows = torch.arange(height, dtype=torch.float32, device=device) + 0.5
            columns = torch.arange(width, dtype=torch.float32, device=device) + 0.5
            x = columns / memory.counts[:, level, 0, None]  # (B, w)
            y = rows / memory.counts[:, level, 1, None]  # (B, h)
            x, y = torch.broadcast_tensors(x[:, None], y[..., None])  # (B, h, w)
            side = x.new_full((2,), SIDE) if self.side is None else self.side.float().sigmoid()
            sides = (side * 2.0**level).expand(*x.shape, -1)
            boxes.append(torch.cat([torch.stack([x, y], dim=-1), sides], dim=-1).flatten(1, 2))
        shares = torch.cat(boxes, dim=1)
        usable = ((shares > LOWEST) & (shares < HIGHEST)).all(dim=-1) & ~memory.padding
        # Other values would make gradients that are not finite.
        shares = torch.where(usable[..., None], shares, 0.5)
        logits = torch.log(shares / (1 - shares))
        return logits.masked_fill(~usable[..., None], torch.inf), usable

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        self.output.reset_parameters()
        nn.init.xavier_uniform_(self.output.weight)
        self.norm.reset_parameters()
        if self.classes is not None:
            reset_classes(self.classes)
        if self.boxes is not None:
            reset_boxes(self.boxes)
        if self.side is not None:
            nn.init.constant_(self.side, math.log(SIDE / (1 - SIDE)))
