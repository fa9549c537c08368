"""Positions of the cells of a map, as sines and cosines of several frequencies."""

import math

import torch
from torch import Tensor

TEMPERATURE = 10000.0
# Keeps the division of the last row by the number of rows below one.
EPS = 1e-6


def sine_positions(size: tuple[int, int], dim: int, device: torch.device | None = None) -> Tensor:
    """Encode the row and the column of each cell.

    "End-to-End Object Detection with Transformers", Carion et al., 2020,
    https://arxiv.org/abs/2005.12872: rows and columns count from one and are divided
    by their number, so that every map has angles from 0 to 2 pi.

    Args:
        size: Height H and width W.
        dim: Width D of the code, a multiple of 4: sines and cosines of the row in turn, then of
            the column.
        device: Where it is made.

    Returns:
        float32 `(H, W, D)`.
    """
    rows, columns = (_code(cells, dim // 2, device) for cells in size)
    return _join(rows, columns, size)


def cell_positions(size: tuple[int, int], dim: int, device: torch.device | None = None) -> Tensor:
    """Encode the row and the column of each cell, as counted from zero.

    "An Empirical Study of Training Self-Supervised Vision Transformers", Chen et al., 2021,
    https://arxiv.org/abs/2104.02057, section 4.3: sines, then cosines, of the row, then the same of
    the column. Unlike above, a cell has the same code in maps of any size.

    Args:
        size: Height H and width W.
        dim: Width D of the code, a multiple of 4.
        device: Where it is made.

    Returns:
        float32 `(H, W, D)`.
    """
    quarter = dim // 4
    rates = TEMPERATURE ** -(torch.arange(quarter, dtype=torch.float32, device=device) / quarter)
    codes = []
    for cells in size:
        place = torch.arange(cells, dtype=torch.float32, device=device)
        angles = place[:, None] * rates  # (cells, D / 4)
        codes.append(torch.cat([angles.sin(), angles.cos()], dim=-1))
    return _join(codes[0], codes[1], size)


def _join(rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Codes `(H, W, D)` of cells from those of rows `(H, D / 2)` and columns `(W, D / 2)`."""
    # By `size`, as lengths of traced tensors are constants.
    return torch.cat(
        [rows[:, None].expand(-1, size[1], -1), columns[None].expand(size[0], -1, -1)], dim=-1
    )


def _code(cells: int, dim: int, device: torch.device | None) -> Tensor:
    """The code `(cells, dim)` of one axis."""
    place = torch.arange(1, cells + 1, dtype=torch.float32, device=device)
    angle = place / (cells + EPS) * (2 * math.pi)
    exponent = torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim
    angles = angle[:, None] / TEMPERATURE**exponent  # (cells, dim / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
