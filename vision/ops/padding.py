"""Padding of maps and volumes, images or labels, at the ends of their axes."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


def pad_end(cells: Tensor, missing: Sequence[int], value: float = 0.0) -> Tensor:
    """Add cells at the ends of the last axes.

    Args:
        cells: `(..., *size)`.
        missing: Cells to add along each of the last axes, at least 0.
        value: What they have.

    Returns:
        `(..., *padded)`; `cells` itself where nothing is missing.
    """
    if not any(missing):
        return cells
    return F.pad(cells, [end for count in reversed(missing) for end in (0, count)], value=value)
