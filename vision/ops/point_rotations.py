"""Clouds of voxels that are rotated about their vertical axis, with voxels of their own.

Letters: B clouds, V voxels before and U after the rotation.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vision.ops.voxels import group_cells


class RotatedCloud(NamedTuple):
    """The voxels of rotated clouds, of which each has one point.

    Attributes:
        coords: `(U, 3)` places in voxels, 0 or more, cloud by cloud.
        rows: int64 `(U,)` the point before the rotation that each is.
        cell_of: int64 `(V,)` the voxel after the rotation that each point lies in.
        counts: int64 `(B,)` voxels of each cloud.
    """

    coords: Tensor
    rows: Tensor
    cell_of: Tensor
    counts: Tensor


def rotate_clouds(coords: Tensor, counts: Tensor, turn: float) -> RotatedCloud:
    """Rotate each cloud about the vertical line through its middle.

    Where several points fall into one voxel, the nearest to its centre stands for them, and of
    equally near ones the first.

    Args:
        coords: float `(V, 3)` places in voxels, x, y and z with z up, cloud by cloud.
        counts: int64 `(B,)` voxels of each cloud.
        turn: Share of a full turn.
    """
    clouds = torch.arange(len(counts), device=coords.device)
    sample = clouds.repeat_interleave(counts, output_size=len(coords))  # (V,)
    turned = torch.cat(
        [_upright_from_zero(part, turn) for part in coords.split(counts.tolist())]
    )  # (V, 3)
    voxels = turned.floor().long()
    cells = group_cells(torch.cat([sample[:, None], voxels], dim=1))
    away = (turned - voxels - 0.5).square().sum(dim=1)  # (V,)
    nearest = away.new_full((len(cells.coords),), torch.inf)
    nearest = nearest.scatter_reduce(0, cells.cell_of, away, "amin")
    places = torch.arange(len(coords), device=coords.device)
    allowed = torch.where(away == nearest[cells.cell_of], places, len(coords))
    rows = places.new_full((len(cells.coords),), len(coords))
    rows = rows.scatter_reduce(0, cells.cell_of, allowed, "amin")
    return RotatedCloud(
        turned[rows],
        rows,
        cells.cell_of,
        torch.bincount(cells.coords[:, 0], minlength=len(counts)),
    )


def rotate_about_z(vectors: Tensor, turn: float) -> Tensor:
    """Rotate vectors `(N, 3)` from x to y, by a share of a full turn."""
    cos, sin = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    x, y, z = vectors.unbind(dim=1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=1)


def _upright_from_zero(coords: Tensor, turn: float) -> Tensor:
    """One cloud rotated about its middle, from its lowest corner on."""
    if not len(coords):
        return coords
    low, high = coords.aminmax(dim=0)
    turned = rotate_about_z(coords - (low + high) / 2, turn)
    return turned - turned.amin(dim=0)
