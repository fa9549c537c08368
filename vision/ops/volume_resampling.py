"""Values of the cells of a volume, brought back to the grid of the original volume.

Letters: K outputs; D, H, W cells along the axes of the volume, d, h, w of the original one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import DataError

# Grids whose axes differ by less than this (cosines and ratios of spacings), and whose cells lie
# apart by less than this share of a cell, are the same: affines in float32 are not more exact.
TOLERANCE = 1e-3
# Cells of the original volume that are interpolated at once; 40 bytes each.
STRIP_CELLS = 2**20


def to_original(
    values: Tensor,
    affine: Tensor,
    original_affine: Tensor,
    original_size: Sequence[int] | Tensor,
    *,
    outside: float | Sequence[float] = 0.0,
) -> Tensor:
    """Bring values of cells back to the grid of the original volume.

    Where the two grids have the same cells in another order of axes, or the volume is a crop, the
    values are moved as they are. Otherwise they are interpolated trilinearly between the centres of
    cells; within half a cell of the volume's border the border's value is taken.

    Args:
        values: `(K, D, H, W)`: probabilities or logits, or of any type where the grids agree.
        affine: `(4, 4)`, from the cells of `values` to millimetres.
        original_affine: `(4, 4)`, of the cells of the original volume.
        original_size: Its cells d, h, w.
        outside: Value of cells that lie outside of the volume, of each output or of all.

    Returns:
        `(K, d, h, w)` of the same type.

    Raises:
        DataError: An affine cannot be inverted.
    """
    d, h, w = (int(side) for side in original_size)
    move = index_map(original_affine, affine)
    axes = _aligned(move)
    filled = torch.as_tensor(outside, dtype=values.dtype, device=values.device)
    filled = filled.expand(len(values))
    if axes is not None:
        return _moved(values, move, axes, (d, h, w), filled)
    return _interpolated(values, move, (d, h, w), filled)


def same_cells(affine: Tensor, original_affine: Tensor) -> bool:
    """Whether two grids have the same cells, apart from the order of axes and the first cell.

    Args:
        affine: `(4, 4)`, of the one grid.
        original_affine: `(4, 4)`, of the other.

    Raises:
        DataError: The first affine cannot be inverted.
    """
    return _aligned(index_map(original_affine, affine)) is not None


def index_map(source: Tensor, target: Tensor) -> Tensor:
    """From the index of a cell of one grid to its place in another one, in cells.

    Args:
        source: `(4, 4)`, affine of the one grid.
        target: `(4, 4)`, affine of the other.

    Returns:
        float64 `(4, 4)` on the CPU.

    Raises:
        DataError: The affine of the other cannot be inverted.
    """
    there, inverse_of = source.double().cpu(), target.double().cpu()
    inverse, failed = torch.linalg.inv_ex(inverse_of)
    if failed or not inverse.isfinite().all():
        raise DataError(
            f"the affine {inverse_of.tolist()} of a volume cannot be inverted: its axes lie in one "
            "plane, or have no length."
        )
    return inverse @ there


def _aligned(move: Tensor) -> list[int] | None:
    """The axis of the volume along which each axis of the original runs; None if the grids differ.

    Args:
        move: `(4, 4)`, from indices of the original to those of the volume.
    """
    turn, shift = move[:3, :3], move[:3, 3]
    whole = (turn.round() - turn).abs().max() < TOLERANCE
    if not whole or (shift.round() - shift).abs().max() >= TOLERANCE:
        return None
    rounded = turn.round().abs()
    if rounded.sum() != 3 or (rounded.sum(0) != 1).any() or (rounded.sum(1) != 1).any():
        return None
    return [int(axis) for axis in rounded.argmax(dim=0)]


def _moved(
    values: Tensor, move: Tensor, axes: list[int], size: tuple[int, int, int], outside: Tensor
) -> Tensor:
    """Permute, flip, crop and pad `(K, D, H, W)` to `(K, d, h, w)`."""
    values = values.permute(0, *(axis + 1 for axis in axes))
    found = outside[:, None, None, None].repeat(1, *size)
    wanted = found
    for i, (axis, side) in enumerate(zip(axes, size, strict=True), start=1):
        start = int(move[axis, 3].round())
        if move[axis, i - 1] < 0:  # the index falls where the original's grows
            values = values.flip(i)
            start = values.shape[i] - 1 - start
        # Cell 0 of the original is cell `start` of the flipped values.
        first, last = max(-start, 0), min(values.shape[i] - start, side)
        length = max(last - first, 0)
        wanted = wanted.narrow(i, min(first, side), length)
        values = values.narrow(i, min(first + start, values.shape[i]) if length else 0, length)
    wanted.copy_(values)
    return found


def _interpolated(
    values: Tensor, move: Tensor, size: tuple[int, int, int], outside: Tensor
) -> Tensor:
    """Interpolate `(K, D, H, W)` at the cells of the original, `(K, d, h, w)`, by strips."""
    device = values.device
    found = values.new_empty((len(values), *size))
    sides = torch.tensor(values.shape[1:], dtype=torch.float64)
    scale = 2 / (sides - 1).clamp(min=1)
    # -1 is the centre of the first cell of an axis, and 1 that of the last one.
    shifts = [scale * move[:3, 3] - 1, *torch.zeros(2, 3, dtype=torch.float64)]
    along = [
        (torch.arange(side)[:, None] * (scale * move[:3, i]) + shifts[i]).float().to(device)
        for i, side in enumerate(size)
    ]  # three of (side, 3)
    low, high = ((scale * place - 1).float().to(device) for place in _limits(sides))
    rows = max(STRIP_CELLS // (size[1] * size[2]), 1)
    # A volume in half precision is made float32 one output at a time.
    for source, target, beyond in zip(values, found, outside, strict=True):
        channel = source[None, None].float()
        for start in range(0, size[0], rows):
            some = along[0][start : start + rows]
            grid = some[:, None, None] + along[1][:, None] + along[2]  # (rows, h, w, 3)
            within = ((grid >= low) & (grid <= high)).all(dim=-1)
            strip = F.grid_sample(
                channel,
                grid.flip(-1)[None],  # the last axis comes first
                mode="bilinear",
                padding_mode="border",
                align_corners=True,
            )[0, 0]
            target[start : start + rows] = strip.to(values.dtype).where(within, beyond)
    return found


def _limits(sides: Tensor) -> tuple[Tensor, Tensor]:
    """Half a cell before the first and after the last centre of each axis, in cells."""
    half = 0.5 + TOLERANCE
    return torch.full_like(sides, -half), sides - 1 + half
