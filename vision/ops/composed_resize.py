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
BLOCK = 16


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
        scale: A factor of the result.

    Attributes:
        size: Height H and width W.
        channels: N.
        largest: The largest magnitude of a value times the factor; none of the result is larger.
    """

    def __init__(
        self,
        values: Tensor,
        *,
        resized: tuple[int, int],
        kept: tuple[int, int],
        wanted: tuple[int, int],
        align_corners: bool,
        scale: float = 1.0,
    ) -> None:
        self.size, self.channels = wanted, values.shape[0]
        self._rows, columns = (
            ComposedAxis(cells, resized=a, kept=b, wanted=c, align_corners=align_corners)
            for cells, a, b, c in zip(values.shape[1:], resized, kept, wanted, strict=True)
        )
        self._values = values
        self.largest = abs(scale) * max(map(abs, torch.stack(values.aminmax()).tolist()))
        cells, weights = columns.blocks(min(BLOCK, wanted[1]))
        self._cells, self._weights = cells.to(values.device), (scale * weights).to(values.device)
        blocks, size = weights.shape[:2]
        # Memory that all strips share: fresh memory for each would not stay in the caches.
        self._pixels = torch.empty(0, device=values.device)
        # Rows of cells in use, resized along x and channels last, each at the remainder of its
        # number, so that none moves; and the number of the row after them.
        self._lines = torch.empty(0, blocks, size, self.channels, device=values.device)
        self._next = 0

    def strip(self, start: int, stop: int) -> Tensor:
        """Some rows of the result, each block of columns by itself; `arrange` puts them in order.

        Args:
            start: The first row; never above the one of an earlier call.
            stop: The row after the last one.

        Returns:
            float32 `(blocks, stop - start, size, N)`, which may be changed; the next call does so.
        """
        first, matrix = self._rows.matrix(start, stop)
        with _full_precision():
            lines = self._lines_of(first, first + matrix.shape[1])  # (P, blocks, size, N)
            places = torch.arange(first, first + matrix.shape[1]) % len(lines)
            matrix = matrix.new_zeros(len(matrix), len(lines)).index_copy_(1, places, matrix)
            blocks, size = lines.shape[1:3]
            shape = (blocks, stop - start, size * self.channels)
            if self._pixels.shape != shape:
                self._pixels = lines.new_empty(shape)
            # A product for each block uses all cores, unlike one that is as wide as the image.
            torch.bmm(
                matrix.to(lines.device).expand(blocks, -1, -1),
                lines.flatten(2).transpose(0, 1),
                out=self._pixels,
            )
        return self._pixels.unflatten(2, (size, self.channels))

    def arrange(self, pixels: Tensor) -> Tensor:
        """From `(T, blocks, rows, size)`, the order of a strip, to `(T, rows, W)`."""
        return pixels.transpose(1, 2).flatten(2)[..., : self.size[1]]

    def _lines_of(self, first: int, stop: int) -> Tensor:
        """Rows of cells, resized along x once, in their places, float32 `(P, blocks, size, N)`."""
        if stop - first > len(self._lines):
            # A place is the remainder of a row by their number: all move.
            self._lines = self._lines.new_zeros(stop - first, *self._lines.shape[1:])
            self._next = first
        for row in range(max(self._next, first), stop):
            # Not made contiguous: the product reads the few columns where they are.
            cells = self._values[:, row].float()  # (N, w)
            windows = cells.index_select(1, self._cells.flatten())
            windows = windows.unflatten(1, self._cells.shape).permute(1, 2, 0)  # (blocks, k, N)
            torch.bmm(self._weights, windows, out=self._lines[row % len(self._lines)])
        self._next = max(self._next, stop)
        return self._lines


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Products of matrices in float32, whatever the precision of those of the model."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
