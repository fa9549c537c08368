"""Bilinear values of maps, by PyTorch's grid sampling or by plain gathers.

Some engines lack grid sampling, or compute it differently; an export can then avoid it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError, suggest

Sampling = Literal["grid", "gather"]
SAMPLINGS = get_args(Sampling)
_sampling: ContextVar[Sampling] = ContextVar("sampling", default="grid")


@contextmanager
def sampling_by(form: Sampling) -> Iterator[None]:
    """Let the models that run within sample maps in one of two forms, equal to rounding.

    Args:
        form: "grid" for PyTorch's grid sampling, "gather" for gathers and products alone.

    Raises:
        ConfigError: The form is unknown.
    """
    if form not in SAMPLINGS:
        choices = " or ".join(map(repr, SAMPLINGS))
        raise ConfigError(f"sampling={form!r} must be {choices}.{suggest(form, SAMPLINGS)}")
    token = _sampling.set(form)
    try:
        yield
    finally:
        _sampling.reset(token)


def chosen_sampling() -> Sampling:
    """The form that `sampling_by` has chosen; "grid" outside of it."""
    return _sampling.get()


def corners(x: Tensor, y: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The four cells around points of a map, and their shares in the value there.

    Args:
        x: float `(...)` in cells; 0 is the middle of the first column.
        y: The same of rows.
        size: Height and width of the map; tensors while a model is traced.

    Returns:
        Place of each cell in the map, row by row, int64 `(..., 4)`; and its share `(..., 4)`. A
        cell beyond the border has the place 0 and a share of zero.
    """
    height, width = size
    left, top = x.floor(), y.floor()
    cells, shares = [], []
    for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            cells.append((row * width + column).where(inside, 0))
            # A product, so that what is not a number stays so.
            shares.append(share_x * share_y * inside)
    return torch.stack(cells, dim=-1).long(), torch.stack(shares, dim=-1)


def sample_at(maps: Tensor, points: Tensor) -> Tensor:
    """Values of maps at points, the middles of whose corner cells are (0, 0) and (1, 1).

    Args:
        maps: float `(B, h, w)`.
        points: float `(B, P, 2)` of (x, y).

    Returns:
        float `(B, P)`; beyond the middles of the outermost cells they fall to zero.
    """
    if chosen_sampling() == "grid":
        grid = 2 * points[:, :, None] - 1  # (B, P, 1, 2)
        return F.grid_sample(maps[:, None], grid, align_corners=True)[:, 0, :, 0]
    size = maps.shape[-2], maps.shape[-1]
    x, y = points.unbind(dim=-1)
    cells, shares = corners(x * (size[1] - 1), y * (size[0] - 1), size)  # (B, P, 4)
    values = maps.flatten(1).gather(1, cells.flatten(1)).reshape(cells.shape)
    return (values * shares).sum(dim=-1)
