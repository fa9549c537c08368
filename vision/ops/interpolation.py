"""Bilinear resizing, of whole maps and as matrices, by the coordinates of `F.interpolate`."""

import torch
from torch import Tensor
from torch.nn import functional as F


def resize_bilinear(x: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """Resize maps bilinearly, without antialiasing; maps of the wanted size are returned as is.

    Args:
        x: float `(B, C, h, w)`.
        size: Height H and width W.
        align_corners: As in `F.interpolate`.

    Returns:
        `(B, C, H, W)`.
    """
    # Sizes that are equal while tracing need not be so later.
    traced = torch.onnx.is_in_onnx_export()
    if not traced and (x.shape[-2], x.shape[-1]) == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


def resize_by_width(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps bilinearly, with corners aligned if their width is odd, as in kMaX-DeepLab.

    Images of an odd side, such as 1281, have odd maps throughout: their corner cells lie on the
    corners of the image.

    Args:
        x: float `(B, C, h, w)`.
        size: Height H and width W.

    Returns:
        `(B, C, H, W)`.
    """
    # A number of Python, which a tracer would give as a tensor.
    return resize_bilinear(x, size, align_corners=bool(x.shape[-1] % 2 == 1))


def source_places(
    cells: int, wanted: int, *, align_corners: bool, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Position of each cell of a resized axis along the original axis, in cells.

    Args:
        cells: Cells h of the original axis.
        wanted: Cells H of the resized axis.
        align_corners: Whether the centres of the first and of the last cells fall together, rather
            than the outer borders.
        device: Where they are computed.
        dtype: Their type, float32 or float64.

    Returns:
        float `(H,)` in [0, h - 1].
    """
    rows = torch.arange(wanted, device=device)
    if align_corners:
        numerator, denominator = rows * (cells - 1), max(wanted - 1, 1)
    else:
        # (row + 1/2) * h / H - 1/2, in whole numbers up to the division.
        numerator, denominator = (2 * rows + 1) * cells - wanted, 2 * wanted
    return (numerator.to(dtype) / denominator).clamp(0, cells - 1)


def interpolation_matrix(
    cells: int, wanted: int, *, align_corners: bool, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """The matrix of a linear resize along one axis.

    Args:
        cells: Cells h of the original axis.
        wanted: Cells H of the resized axis.
        align_corners: As for `source_places`.
        device: Where the matrix is made.
        dtype: Its type; below float32 it is rounded at the end.

    Returns:
        float `(H, h)` of rows that sum to one.
    """
    working = torch.promote_types(dtype, torch.float32)
    places = source_places(
        cells, wanted, align_corners=align_corners, device=device, dtype=working
    )  # (H,)
    distances = places[:, None] - torch.arange(cells, device=device, dtype=working)  # (H, h)
    return (1 - distances.abs()).clamp(min=0).to(dtype)
