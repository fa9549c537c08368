"""Bilinear resize of a map, a cut, and a second resize, as one weighted sum of cells per pixel.

The rule of each resize is that of `vision.ops.resize_rows`. A resize is linear along each axis, and
so are two of them: a pixel of the result is a sum of at most four cells along each axis.

Letters: N channels, h x w cells, H x W pixels of the result.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from vision.ops.resize_rows import neighbours

# Pixels of a row that are computed from the same cells.
BLOCK = 32


class ComposedAxis:
    """Cells and weights of each pixel along one axis.

    Args:
        cells: Cells of the map.
        resized: Pixels that it is first resized to.
        kept: How many of these are kept, the first ones.
        wanted: Pixels that they are resized to.
        align_corners: As in `F.interpolate`, of both resizes.
    """

    def __init__(
        self, cells: int, *, resized: int, kept: int, wanted: int, align_corners: bool
    ) -> None:
        first = neighbours(cells, resized, 0, resized, align_corners)
        second = neighbours(kept, wanted, 0, wanted, align_corners)
        lower, upper, weight = first
        before, after, share = second
        self.count = cells
        # (wanted, 4)
        self.cells = torch.stack([lower[before], upper[before], lower[after], upper[after]], dim=1)
        self.weights = torch.stack(
            [
                (1 - weight[before]) * (1 - share),
                weight[before] * (1 - share),
                (1 - weight[after]) * share,
                weight[after] * share,
            ],
            dim=1,
        )

    def matrix(self, start: int, stop: int) -> tuple[int, Tensor]:
        """The sums of some pixels.

        Args:
            start: The first pixel.
            stop: The pixel after the last one.

        Returns:
            The first cell that is needed, and the weights of the cells from there on, float32
            `(stop - start, k)`.
        """
        cells = self.cells[start:stop]
        first, last = (int(value) for value in cells.aminmax())
        matrix = torch.zeros(stop - start, last + 1 - first)
        return first, matrix.scatter_add_(1, cells - first, self.weights[start:stop])

    def blocks(self, size: int) -> tuple[Tensor, Tensor]:
        """The sums of all pixels in blocks of neighbours, the last one filled up.

        Args:
            size: Pixels of a block.

        Returns:
            Cells of each block, int64 `(blocks, k)`, and their weights, float32
            `(blocks, size, k)`.
        """
        missing = -len(self.cells) % size
        cells, weights = (
            torch.cat([x, x[-1:].expand(missing, -1)]).unflatten(0, (-1, size))
            for x in (self.cells, self.weights)
        )  # (blocks, size, 4)
        first, last = cells.amin(dim=(1, 2)), cells.amax(dim=(1, 2))
        count = int((last - first).max()) + 1
        first = first.clamp(max=self.count - count)
        matrix = torch.zeros(*cells.shape[:2], count)
        matrix.scatter_add_(2, cells - first[:, None, None], weights)
        return first[:, None] + torch.arange(count), matrix


class ComposedRows:
    """The rows of a map that is resized, cut and resized again.

    Args:
        values: float `(N, h, w)`.
        resized: Height and width that it is first resized to.
        kept: Height and width of what is kept of that, from the first row and column.
        wanted: Height H and width W that this is resized to.
        align_corners: As in `F.interpolate`, of both resizes.

    Attributes:
        size: Height H and width W.
        channels: N.
        largest: The largest magnitude of a value; none of the result is larger.
    """

    def __init__(
        self,
        values: Tensor,
        *,
        resized: tuple[int, int],
        kept: tuple[int, int],
        wanted: tuple[int, int],
        align_corners: bool,
    ) -> None:
        self.size, self.channels = wanted, values.shape[0]
        self._rows, columns = (
            ComposedAxis(cells, resized=a, kept=b, wanted=c, align_corners=align_corners)
            for cells, a, b, c in zip(values.shape[1:], resized, kept, wanted, strict=True)
        )
        self._values = values.float()
        self.largest = max(map(abs, torch.stack(self._values.aminmax()).tolist()))
        # Rows of cells in use, channels last, and the first of them.
        self._lines, self._first = self._values.new_empty(0, values.shape[2], self.channels), 0
        cells, weights = columns.blocks(min(BLOCK, wanted[1]))
        self._cells, self._weights = cells.to(values.device), weights.to(values.device)

    def rows(self, start: int, stop: int) -> Tensor:
        """Some rows of the result.

        Args:
            start: The first row; never above the one of an earlier call.
            stop: The row after the last one.

        Returns:
            float32 `(stop - start, W, N)`, which may be changed.
        """
        count, channels, blocks = stop - start, self.channels, self._cells.shape[0]
        first, matrix = self._rows.matrix(start, stop)
        source = self._source(first, first + matrix.shape[1])  # (k, w, N)
        with _full_precision():
            lines = (matrix.to(source.device) @ source.flatten(1)).view(count, *source.shape[1:])
            windows = lines.index_select(1, self._cells.flatten())
            windows = windows.view(count * blocks, -1, channels)  # (count * blocks, k, N)
            pixels = torch.bmm(self._weights.repeat(count, 1, 1), windows)
        return pixels.view(count, -1, channels)[:, : self.size[1]]

    def _source(self, first: int, stop: int) -> Tensor:
        """Rows of cells, float32 `(stop - first, w, N)`; each is brought into this order once."""
        kept = self._lines[first - self._first :]
        below = self._values[:, first + len(kept) : stop].permute(1, 2, 0)
        if len(kept) < len(self._lines) or below.shape[0]:
            self._lines, self._first = torch.cat([kept, below]), first
        return self._lines[: stop - first]


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Products of matrices in float32, whatever the precision of those of the model."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
