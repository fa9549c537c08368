"""Positions of cells and boxes, as sines and cosines of several frequencies."""

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


def valid_positions(padding: Tensor, dim: int, *, temperatures: tuple[float, float]) -> Tensor:
    """Encode the row and the column of each cell of padded images.

    As `sine_positions`, but divided by the number of valid rows and columns. "DINO: DETR with
    Improved DeNoising Anchor Boxes for End-to-End Object Detection", Zhang et al., 2022,
    https://arxiv.org/abs/2203.03605, has other temperatures (appendix D.1).

    Args:
        padding: bool `(B, H, W)`, cells beyond the valid image, which is left and at the top.
        dim: Width D of the code, a multiple of 4.
        temperatures: Ratio of the largest wavelength to the smallest, of rows and of columns.

    Returns:
        float32 `(B, H, W, D)`; the codes of padding mean nothing.
    """
    valid = ~padding
    codes = []
    for axis, temperature in zip((1, 2), temperatures, strict=True):
        place = valid.cumsum(axis, dtype=torch.float32)
        last = place.narrow(axis, padding.shape[axis] - 1, 1)
        lengths = _lengths(dim // 2, temperature, padding.device)
        codes.append(_waves(place / (last + EPS) * (2 * math.pi), lengths))
    return torch.cat(codes, dim=-1)


def box_codes(boxes: Tensor, dim: int) -> Tensor:
    """Encode boxes.

    "DAB-DETR: Dynamic Anchor Boxes are Better Queries for DETR", Liu et al., 2022,
    https://arxiv.org/abs/2201.12329, section 4.2.

    Args:
        boxes: float `(..., 4)`, (center x, center y, width, height) as shares of an image.
        dim: Width D of the code of two numbers, a multiple of 4.

    Returns:
        float `(..., 2 * D)`: the codes of center y, center x, width and height.
    """
    x, y, width, height = (boxes * (2 * math.pi)).unbind(dim=-1)
    lengths = _lengths(dim // 2, TEMPERATURE, boxes.device)
    return torch.cat([_waves(angle, lengths) for angle in (y, x, width, height)], dim=-1)


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
    exponent = torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim
    return _waves(place / (cells + EPS) * (2 * math.pi), TEMPERATURE**exponent)


def _lengths(dim: int, temperature: float, device: torch.device) -> Tensor:
    """Wavelengths `(dim / 2,)`, from 1 to almost the temperature."""
    # Each twice, as published: the last bit of a power depends on how many are computed at once.
    exponent = 2 * (torch.arange(dim, dtype=torch.float32, device=device) // 2) / dim
    return (temperature**exponent)[::2]


def _waves(angle: Tensor, lengths: Tensor) -> Tensor:
    """Sines and cosines in turn, `(..., 2 * len(lengths))`, of angles `(...)`."""
    angles = angle[..., None] / lengths
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
