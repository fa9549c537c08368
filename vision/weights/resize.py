"""Fit published tensors to another image size, window size or number of image channels."""

import torch
from torch import Tensor
from torch.nn import functional as F


def fit_in_channels(weight: Tensor, in_channels: int) -> Tensor:
    """Fit the first convolution to another number of image channels.

    One channel gets the sum over the published channels; more get copies of them in turn, scaled
    so that an image whose channels are all equal gives the same response as before.

    Args:
        weight: `(C_out, C_in, kH, kW)`, or of a volume `(C_out, C_in, kD, kH, kW)`.
        in_channels: Wanted number of input channels.

    Returns:
        The same with `in_channels` for `C_in`.
    """
    published = weight.shape[1]
    index = torch.arange(in_channels) % published
    if in_channels < published:
        total = weight.sum(dim=1, keepdim=True)
        return total.expand(-1, in_channels, *weight.shape[2:]) / in_channels
    # Copies of a channel share its weight, so that each published channel keeps its total.
    copies = torch.bincount(index, minlength=published)[index].to(weight)
    return weight[:, index] / copies.view(1, -1, *(1,) * (weight.ndim - 2))


def resize_grid(grid: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps bicubically, corners not aligned.

    Args:
        grid: `(B, C, H, W)`.
        size: Wanted height and width.

    Returns:
        `(B, C, *size)` in the dtype of `grid`.
    """
    resized = F.interpolate(grid.float(), size=size, mode="bicubic", align_corners=False)
    return resized.to(grid.dtype)


def resize_position_tokens(
    tokens: Tensor, size: tuple[int, int], *, source_size: tuple[int, int] | None = None
) -> Tensor:
    """Resize absolute position embeddings that lie on a grid in row-major order.

    Args:
        tokens: `(1, N, C)`.
        size: Wanted grid height and width.
        source_size: Height and width of the given grid; square if None.

    Returns:
        `(1, size[0] * size[1], C)`.
    """
    height, width = source_size or (round(tokens.shape[1] ** 0.5),) * 2
    grid = tokens.transpose(1, 2).reshape(1, -1, height, width)  # (1, C, H, W)
    return resize_grid(grid, size).flatten(2).transpose(1, 2)  # (1, N, C)


def resize_bias_table(table: Tensor, rows: int) -> Tensor:
    """Resize a square table of relative-position biases bicubically, corners not aligned.

    Args:
        table: `((2 * window - 1) ** 2, heads)`.
        rows: Wanted number of rows, again the square of an odd number.

    Returns:
        `(rows, heads)`.
    """
    side = round(table.shape[0] ** 0.5)
    new_side = round(rows**0.5)
    grid = table.t().reshape(1, -1, side, side)  # (1, heads, side, side)
    return resize_grid(grid, (new_side, new_side)).flatten(2)[0].t().contiguous()
