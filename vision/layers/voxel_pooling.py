"""From fine voxels to coarse ones: which voxel stands for a cell, and two ways to pool features.

Letters: V fine voxels, U coarse ones, C channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vision.contracts.points import VoxelMap
from vision.ops.voxel_neighbors import nearest
from vision.ops.voxels import Cells, group_cells, reduce_cells

# Voxels that `NearestDown` pools over.
NEIGHBORS = 16
# Numbers that are gathered at a time.
_NUMBERS = 2**22


class Representatives(NamedTuple):
    """The cells of a coarser stride and the voxel that stands for each.

    Attributes:
        cells: The cells; `coords` `(U, 4)` are those of a `VoxelMap`.
        counts: int64 `(B,)` cells of each sample.
        rows: int64 `(U,)` the voxel that stands for each.
    """

    cells: Cells
    counts: Tensor
    rows: Tensor


@torch.no_grad()
def coarsen(fine: VoxelMap, stride: int) -> Representatives:
    """Group voxels into the cells of a coarser stride.

    The voxel whose signal is nearest to the mean signal of its cell stands for it; of equally near
    ones, as two alone in a cell are, the first row. Where rows are sorted by coordinates, that does
    not depend on the order of the points.

    Args:
        fine: The voxels, sample by sample.
        stride: Voxels of the input per cell along each axis, a multiple of `fine.stride`.
    """
    coords = fine.coords.clone()
    coords[:, 1:] = torch.div(coords[:, 1:], stride, rounding_mode="floor") * stride
    cells = group_cells(coords)
    # In float64: what is nearest is then decided by the numbers alone.
    signal = fine.signal.double()
    mean = reduce_cells(signal, cells, "mean")
    squared = (signal - mean[cells.cell_of]).square_().sum(1)
    squared[cells.counts[cells.cell_of] == 2] = 0
    least = -reduce_cells(-squared[:, None], cells, "max")[:, 0]
    rows = torch.arange(len(coords), device=coords.device)
    rows = rows.where(squared == least[cells.cell_of], len(coords))
    first = rows.new_full((len(cells.coords),), len(coords))
    first.scatter_reduce_(0, cells.cell_of, rows, "amin")
    return Representatives(
        cells, torch.bincount(cells.coords[:, 0], minlength=len(fine.counts)), first
    )


class NearestDown(nn.Module):
    """Normalise, project, and take the maximum over the voxels nearest to the representative.

    They are the 16 nearest of the sample, whether inside the cell or not; all, if it has fewer.

    Args:
        in_channels: Channels of the fine voxels.
        out_channels: Channels of the coarse ones.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_channels)
        self.linear = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, fine: VoxelMap, coarse: Representatives) -> Tensor:
        """The features `(U, C_out)` of the cells."""
        x = self.linear(self.norm(fine.features))
        places = fine.signal[:, 1:4]
        found = nearest(places[coarse.rows], coarse.counts, places, fine.counts, NEIGHBORS).indices
        # What is missing repeats the nearest, which changes no maximum.
        found = torch.where(found < 0, found[:, :1], found)
        # The gradient reaches the voxel of the maximum alone, so that its place is all it needs.
        return x.gather(0, _best_rows(x.detach(), found))


def _best_rows(x: Tensor, neighbors: Tensor) -> Tensor:
    """The row of the maximum of each channel, int64 `(U, C)`, among neighbours `(U, k)`."""
    step = max(1, _NUMBERS // (neighbors.shape[1] * x.shape[1]))
    parts = [
        part.gather(1, x[part].argmax(dim=1))  # (part, k, C) to (part, C)
        for part in neighbors.split(step)
    ]
    return torch.cat(parts)


class CellDown(nn.Module):
    """Normalise, project, and take the maximum over the voxels of the cell.

    Args:
        in_channels: Channels of the fine voxels.
        out_channels: Channels of the coarse ones.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.cell_norm = nn.LayerNorm(in_channels)
        self.cell_linear = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, fine: VoxelMap, coarse: Representatives) -> Tensor:
        """The features `(U, C_out)` of the cells."""
        x = self.cell_linear(self.cell_norm(fine.features))
        return reduce_cells(x, coarse.cells, "max")
