"""Bilinear resize of large maps, a strip of rows at a time.

The rule of PyTorch's `F.interpolate(mode="bilinear")`: row i of n rows that are made of m rows is
taken at `(i + 0.5) * m / n - 0.5`, or at `i * (m - 1) / (n - 1)` with aligned corners, never below
0, and lies between the rows before and after it. `F.interpolate` cannot compute only some rows.

Strips lie channels last in memory: PyTorch's resize and its maximum over the channels are several
times faster so on a CPU.
"""

from typing import Protocol

import torch
from torch import Tensor

from vision.ops.interpolation import resize_bilinear


class Rows(Protocol):
    """A map of logits that is made row by row, from the top.

    Attributes:
        size: Height h and width w of the map in pixels.
        classes: Number of classes K.
    """

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    def rows(self, start: int, stop: int) -> Tensor:
        """Some rows of the map.

        Args:
            start: The first row; never above the one of an earlier call.
            stop: The row after the last one.

        Returns:
            float32 `(B, K, stop - start, w)`.
        """


class MapRows:
    """The rows of a map that is resized.

    Args:
        logits: float `(B, K, h', w')`.
        size: Height h and width w of the resized map in pixels.
        align_corners: As in `F.interpolate`.
    """

    def __init__(
        self, logits: Tensor, size: tuple[int, int], *, align_corners: bool = False
    ) -> None:
        self.size = size
        self.classes = logits.shape[1]
        self._logits = logits
        self._align_corners = align_corners

    def rows(self, start: int, stop: int) -> Tensor:
        """Some rows of the resized map, float32 `(B, K, stop - start, w)`."""
        return resize_rows(self._logits, self.size, start, stop, align_corners=self._align_corners)


class ResizedRows:
    """The rows of a map that is resized and is itself made row by row.

    Args:
        source: The map.
        size: Height h and width w of the resized map in pixels.
        align_corners: As in `F.interpolate`.
    """

    def __init__(self, source: Rows, size: tuple[int, int], *, align_corners: bool = False) -> None:
        self.size = size
        self.classes = source.classes
        self._source = source
        self._align_corners = align_corners

    def rows(self, start: int, stop: int) -> Tensor:
        """Some rows of the resized map, float32 `(B, K, stop - start, w)`."""
        height = self._source.size[0]
        first, last = source_rows(height, self.size[0], start, stop, self._align_corners)
        return resize_rows(
            self._source.rows(first, last),
            self.size,
            start,
            stop,
            align_corners=self._align_corners,
            first=first,
            height=height,
        )


def source_rows(
    height: int, new_height: int, start: int, stop: int, align_corners: bool = False
) -> tuple[int, int]:
    """The rows of a map that some rows of the resized map are made from.

    Args:
        height: Rows of the map.
        new_height: Rows of the resized map.
        start: The first row of the resized map that is wanted.
        stop: The row after the last one.
        align_corners: As in `F.interpolate`.

    Returns:
        The first row of the map that is needed, and the row after the last one.
    """
    lower, upper, _ = neighbours(height, new_height, start, stop, align_corners)
    return int(lower[0]), int(upper[-1]) + 1


def resize_rows(
    logits: Tensor,
    size: tuple[int, int],
    start: int,
    stop: int,
    *,
    align_corners: bool = False,
    first: int = 0,
    height: int | None = None,
) -> Tensor:
    """Rows `start` to `stop` of `F.interpolate(logits, size, mode="bilinear")`.

    Args:
        logits: float `(B, K, r, w')`: rows `first` to `first + r` of a map, among them the
            `source_rows` of what is wanted.
        size: Height h and width w of the whole resized map.
        start: The first row that is wanted, in [0, h).
        stop: The row after the last one, in (start, h].
        align_corners: As in `F.interpolate`.
        first: Which row of the map the first one of `logits` is.
        height: Rows of the whole map; by default the rows of `logits`.

    Returns:
        float32 `(B, K, stop - start, w)`, channels last in memory; equal to PyTorch's to rounding.
    """
    height = logits.shape[2] if height is None else height
    if (start, stop) == (0, size[0]) and height == logits.shape[2]:
        return resize_bilinear(_channels_last(logits), size, align_corners=align_corners)
    lower, upper, weight = neighbours(height, size[0], start, stop, align_corners)
    top, bottom = int(lower[0]), int(upper[-1]) + 1
    if height == size[0] or not _is_channels_last(logits):
        logits, first = _channels_last(logits[:, :, top - first : bottom - first]), top
    if height != size[0]:
        # The tables are made on the CPU: their ends are slice bounds, for which a GPU would wait.
        device = logits.device
        lower, upper = (rows.sub(first).to(device, non_blocking=True) for rows in (lower, upper))
        weight = weight[:, None, None].to(device, non_blocking=True)
        cells = logits.permute(0, 2, 3, 1)  # (B, r, w', K)
        cells = cells.index_select(1, lower).lerp_(cells.index_select(1, upper), weight)
        logits = cells.permute(0, 3, 1, 2)  # (B, K, stop - start, w')
    return resize_bilinear(logits, (stop - start, size[1]), align_corners=align_corners)


def _is_channels_last(logits: Tensor) -> bool:
    return logits.dtype == torch.float32 and logits.is_contiguous(memory_format=torch.channels_last)


def _channels_last(logits: Tensor) -> Tensor:
    return logits.float().contiguous(memory_format=torch.channels_last)


def neighbours(
    height: int, new_height: int, start: int, stop: int, align_corners: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The rows before and after each new row, and the weight of the latter; float32 as in PyTorch.

    Args:
        height: Rows of the map.
        new_height: Rows of the resized map.
        start: The first row of the resized map that is wanted.
        stop: The row after the last one.
        align_corners: As in `F.interpolate`.

    Returns:
        int64, int64 and float32 `(stop - start,)`.
    """
    rows = torch.arange(start, stop, dtype=torch.float32)
    if height == new_height:
        return rows.long(), rows.long(), torch.zeros_like(rows)
    if align_corners:
        place = rows * ((height - 1) / (new_height - 1) if new_height > 1 else 0.0)
    else:
        place = ((rows + 0.5) * (height / new_height) - 0.5).clamp_(min=0)
    lower = place.long().clamp_(max=height - 1)
    weight = (place - lower).clamp_(0, 1)
    # The row after one that is hit exactly is not needed, and need not be there.
    return lower, (lower + (weight > 0)).clamp_(max=height - 1), weight
