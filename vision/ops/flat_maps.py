"""The cells of several maps in one row, and which of them are padding.

Letters: B images, D width, L maps, N cells of all maps together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Size = tuple[int, int]


class FlatMaps(NamedTuple):
    """The cells of L maps, row by row, map by map.

    Attributes:
        cells: float `(B, N, D)`.
        padding: bool `(B, N)`, cells beyond the valid images.
        sizes: Height and width of each map.
        counts: int64 `(B, L, 2)`, valid columns and rows of each map.
    """

    cells: Tensor
    padding: Tensor
    sizes: list[Size]
    counts: Tensor

    @property
    def ratios(self) -> Tensor:
        """float32 `(B, L, 2)`, the valid share of the width and height of each map."""
        shares = []
        for level, (height, width) in enumerate(self.sizes):
            columns, rows = self.counts[:, level].float().unbind(dim=-1)
            shares.append(torch.stack([columns / width, rows / height], dim=-1))
        return torch.stack(shares, dim=1)


def flatten_maps(maps: Sequence[Tensor], padding: Sequence[Tensor]) -> FlatMaps:
    """Put the cells of maps in one row.

    Args:
        maps: L maps `(B, D, h, w)`.
        padding: For each, bool `(B, h, w)`, cells beyond the valid image.
    """
    counts = []
    for one in padding:
        valid = ~one
        counts.append(torch.stack([valid[:, 0].sum(dim=1), valid[:, :, 0].sum(dim=1)], dim=-1))
    return FlatMaps(
        torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1),
        torch.cat([one.flatten(1) for one in padding], dim=1),
        [(x.shape[-2], x.shape[-1]) for x in maps],
        torch.stack(counts, dim=1),
    )


def split_maps(cells: Tensor, sizes: Sequence[Size]) -> list[Tensor]:
    """Maps `(B, D, h, w)` from their cells `(B, N, D)` in one row.

    Args:
        cells: float `(B, N, D)`.
        sizes: Height and width of each map.
    """
    parts = cells.split([height * width for height, width in sizes], dim=1)
    return [
        part.transpose(1, 2).reshape(part.shape[0], part.shape[2], height, width)
        for part, (height, width) in zip(parts, sizes, strict=True)
    ]


def padded_cells(sizes: Tensor, canvas: Size, size: Size) -> Tensor:
    """Which cells of a map lie beyond the images.

    A cell is judged by its upper left pixel, which is that of a resize to the nearest pixel.

    Args:
        sizes: int64 `(B, 2)` valid height and width of each image in pixels.
        canvas: Height and width of the padded images in pixels.
        size: Height h and width w of the map in cells.

    Returns:
        bool `(B, h, w)`.
    """
    beyond = []
    for axis, (pixels, cells) in enumerate(zip(canvas, size, strict=True)):
        first = torch.arange(cells, device=sizes.device) * pixels // cells
        beyond.append(first >= sizes[:, axis, None])
    return beyond[0][:, :, None] | beyond[1][:, None]
