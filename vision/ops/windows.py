"""Logits of a large image from windows that slide over it, made row by row."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from vision.ops.interpolation import resize_bilinear
from vision.ops.resize_rows import resize_rows


def window_starts(side: int, window: int, stride: int) -> list[int]:
    """Where windows begin along one side of an image.

    Args:
        side: Length of the side in pixels.
        window: Length of a window in pixels.
        stride: Pixels from one window to the next.

    Returns:
        The first pixel of each window, ascending: every multiple of the stride up to the window
        that reaches the end of the side, which is moved back inside; only 0 if the side is no
        longer than a window.
    """
    last = max(side - window, 0)
    return [*range(0, last, stride), last]


class WindowRows:
    """Mean logits of all windows over each pixel of an image, made row by row.

    The model runs on a window only when the first row below its upper edge is requested, and the
    logits of a window are kept, as coarse as the model gives them, until its last row has been.

    Args:
        model: Takes float `(N, C, wh, ww)` and returns logits `(N, K, h', w')` of any stride.
        images: float `(B, C, h, w)`.
        window: Height wh and width ww of a window in pixels; less where the image is smaller.
        stride: Pixels from one window to the next, down and to the right.
        windows_per_batch: Windows per image that the model gets at once.
        align_corners: As in `F.interpolate`, of the resize from the model's stride to the window.
        mirrored: Whether the windows are laid out from the right end, as in the mirror image.
    """

    def __init__(
        self,
        model: Callable[[Tensor], Tensor],
        images: Tensor,
        *,
        window: tuple[int, int],
        stride: tuple[int, int],
        windows_per_batch: int,
        align_corners: bool = False,
        mirrored: bool = False,
    ) -> None:
        height, width = images.shape[2:]
        self.size = (height, width)
        self._model = model
        self._images = images
        self._window = (min(window[0], height), min(window[1], width))
        self._tops = window_starts(height, window[0], stride[0])
        self._lefts = window_starts(width, window[1], stride[1])
        if mirrored:
            self._lefts = [width - self._window[1] - left for left in reversed(self._lefts)]
        self._windows_per_batch = windows_per_batch
        self._align_corners = align_corners
        self._counts = [
            _counts(side, starts, length).to(images.device, non_blocking=True)
            for side, starts, length in zip(
                self.size, (self._tops, self._lefts), self._window, strict=True
            )
        ]
        # Made window by window, one row of windows after the other.
        self._made = self._windows()
        # The upper edge of each row of windows that still matters, and the logits of its windows:
        # (columns * B, K, h', w').
        self._alive: list[tuple[int, Tensor]] = []
        self._advance()
        self.classes = self._alive[0][1].shape[1]

    def rows(self, start: int, stop: int) -> Tensor:
        """Some rows of the mean logits.

        Args:
            start: The first row; never above the one of an earlier call.
            stop: The row after the last one.

        Returns:
            float32 `(B, K, stop - start, w)`, channels last in memory.
        """
        height, width = self._window
        self._alive = [(top, logits) for top, logits in self._alive if top + height > start]
        while self._tops and self._tops[0] < stop:
            self._advance()
        # All windows of a column stand one above the other: they are averaged at the width that the
        # model gives, and are made wide thereafter.
        parts = []
        for top, logits in self._alive:
            upper, lower = max(start, top), min(stop, top + height)
            narrow = (height, logits.shape[3])
            part = resize_rows(
                logits, narrow, upper - top, lower - top, align_corners=self._align_corners
            )
            parts.append((upper - start, part))
        counts = self._counts[0][start:stop, None]
        rows = _mean(parts, len(parts), counts, axis=2)  # (columns * B, K, stop - start, w')
        columns = rows.split(len(self._images))
        wide = (
            (
                left,
                resize_bilinear(
                    column, (column.shape[2], width), align_corners=self._align_corners
                ),
            )
            for left, column in zip(self._lefts, columns, strict=True)
        )
        return _mean(wide, len(columns), self._counts[1], axis=3)

    def _advance(self) -> None:
        """Run the model on the next row of windows."""
        batch = self._images.shape[0]
        row: Tensor | None = None
        for i in range(len(self._lefts)):
            logits = next(self._made)
            if row is None:
                shape = (len(self._lefts) * batch, *logits.shape[1:])
                row = torch.empty(
                    shape,
                    dtype=logits.dtype,
                    device=logits.device,
                    memory_format=torch.channels_last,
                )
            row[i * batch : (i + 1) * batch] = logits
        assert row is not None, "at least one window"
        self._alive.append((self._tops.pop(0), row))

    def _windows(self) -> Iterator[Tensor]:
        """The logits `(B, K, h', w')` of each window.

        A batch may reach into the next row of windows, so that images of one column fill it, too.
        """
        height, width = self._window
        places = [(top, left) for top in self._tops for left in self._lefts]
        for i in range(0, len(places), self._windows_per_batch):
            batch = torch.cat(
                [
                    self._images[:, :, top : top + height, left : left + width]
                    for top, left in places[i : i + self._windows_per_batch]
                ]
            )
            logits = self._model(batch)
            del batch
            yield from logits.split(self._images.shape[0])


def _mean(parts: Iterable[tuple[int, Tensor]], number: int, counts: Tensor, *, axis: int) -> Tensor:
    """The mean of maps that overlap along an axis.

    Args:
        parts: The first place of each map along the axis, and the map; ascending, without holes
            between them, and none ends before an earlier one.
        number: How many they are.
        counts: How many maps lie over each place, broadcastable to the mean.
        axis: 2 or 3.
    """
    if number == 1:
        return next(iter(parts))[1]
    total: Tensor | None = None
    covered = 0
    for start, part in parts:
        if total is None:
            shape = [*part.shape]
            shape[axis] = len(counts)
            total = torch.empty(shape, device=part.device, memory_format=torch.channels_last)
        # Written once rather than added to zeros: memory is what this waits for.
        common = covered - start
        new = part.shape[axis] - common
        total.narrow(axis, start, common).add_(part.narrow(axis, 0, common))
        total.narrow(axis, covered, new).copy_(part.narrow(axis, common, new))
        covered += new
    assert total is not None, "at least one part"
    return total.div_(counts)


def _counts(side: int, starts: list[int], window: int) -> Tensor:
    """How many windows lie over each pixel of a side, float32 `(side,)`."""
    counts = torch.zeros(side)
    for start in starts:
        counts[start : start + window] += 1
    return counts
