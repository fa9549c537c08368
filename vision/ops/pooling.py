"""Average pooling to a number of cells."""

import torch
from torch import Tensor
from torch.nn import functional as F


def adaptive_average(x: Tensor, cells: int) -> Tensor:
    """`F.adaptive_avg_pool2d` to square grids, also in ONNX, which has no such operator.

    There it is a product with a matrix for each axis, for maps of any size.

    Args:
        x: float `(B, C, H, W)`.
        cells: Cells n along each side.

    Returns:
        `(B, C, n, n)`.
    """
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_avg_pool2d(x, cells)
    rows, columns = (_shares(cells, x.shape[axis], like=x) for axis in (2, 3))
    return rows @ x @ columns.T


def _shares(cells: int, length: int, *, like: Tensor) -> Tensor:
    """The share `(n, length)` of each place of an axis in the mean of each cell."""
    cell = torch.arange(cells, device=like.device)[:, None]
    place = torch.arange(length, device=like.device)
    start, stop = cell * length // cells, ((cell + 1) * length + cells - 1) // cells
    return ((place >= start) & (place < stop)).to(like.dtype) / (stop - start).to(like.dtype)
