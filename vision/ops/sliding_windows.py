"""Windows that slide over a volume, and the mean of what a network finds in them.

Letters: C modalities, K outputs; D, H, W cells along the three axes of a volume; N windows in a
batch.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.options import Range, Ranges, check_ranges

Weighting = Literal["constant", "gaussian"]
# Standard deviation of the Gaussian weights, as a share of the side of a window.
SIGMA = 0.125
# Weights are never smaller, so that a corner that one window alone covers can be divided by them.
MIN_WEIGHT = 1e-3
# Cells of a window or patch: the first maps of a network on more would fill any memory.
MAX_WINDOW_CELLS = 2**28

RANGES: Ranges = {
    "window": Range(minimum=1, maximum=2**12, length=3, unit="cells (D, H, W)"),
    "overlap": Range(minimum=0, below=1),
    "weighting": get_args(Weighting),
    "batch": Range(minimum=1, maximum=2**12, unit="windows"),
}


@dataclass(frozen=True)
class VolumeInference:
    """Options of the inference on a whole volume by windows that slide over it.

    Attributes:
        window: Cells of a window along each axis. A volume that is smaller is padded with zeros on
            both sides.
        overlap: Share of a window that the next one covers too. The last window of an axis is moved
            back inside the volume.
        weighting: How the windows over a cell are averaged. "constant" weights them equally, as
            published for Swin UNETR; "gaussian" trusts the middle of a window more.
        batch: Number of windows that the network gets at once.
        mirror: Axes of a window (0, 1, 2) along which it is mirrored too; the mean over all their
            combinations takes 2, 4 or 8 times as long.
        largest_component: Whether of each region or class only the largest connected component is
            kept, where cells that touch by a corner are connected.

    Raises:
        ConfigError: A value is out of its range.
    """

    window: tuple[int, int, int] = (128, 128, 128)
    overlap: float = 0.5
    weighting: Weighting = "constant"
    batch: int = 1
    mirror: Sequence[int] = ()
    largest_component: bool = False

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES, group="inference")
        check_cells("inference.window", self.window)
        axes = [*self.mirror] if isinstance(self.mirror, Sequence) else [self.mirror]
        if any(axis not in (0, 1, 2) for axis in axes) or len({*axes}) < len(axes):
            raise ConfigError(
                f"inference.mirror={self.mirror!r} must be a list of axes, 0, 1 or 2, each at most "
                "once, such as [0, 1, 2]; [] for none."
            )


def check_cells(name: str, sides: Sequence[int]) -> None:
    """Check that a window is small enough for a network.

    Args:
        name: Name of the option.
        sides: Its cells along each axis.

    Raises:
        ConfigError: It has more than `MAX_WINDOW_CELLS`.
    """
    cells = math.prod(sides)
    if cells > MAX_WINDOW_CELLS:
        raise ConfigError(
            f"{name}={[*sides]} has {cells:,} cells, more than the {MAX_WINDOW_CELLS:,} that a "
            "network is given at once. Sides of 64 to 160 cells are usual."
        )


def slide(
    run: Callable[[Tensor], Tensor],
    volume: Tensor,
    options: VolumeInference,
    *,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Run a network on windows of a volume, and average what they give for each cell.

    The sums are made in float32, for the rows along the first axis that the current windows cover:
    of the other rows only what `finish` makes of them is held.

    Args:
        run: Takes float `(N, C, d, h, w)` of the size of a window, and returns logits
            `(N, K, d, h, w)`.
        volume: float `(C, D, H, W)`.
        options: The windows.
        finish: Maps the logits of some rows, float32 `(K, rows, H, W)`, to what is kept of them,
            `(K', rows, H, W)`, such as probabilities in half precision; None keeps the logits.

    Returns:
        `(K', D, H, W)`.
    """
    size = volume.shape[1:]
    before = [max(side - length, 0) // 2 for side, length in zip(options.window, size, strict=True)]
    padded = _pad(volume, options.window, before)
    strips = _strips(run, padded, options)
    parts, row = [], 0
    for strip in strips:
        rows = strip.shape[1]
        first, last = max(before[0] - row, 0), min(before[0] + size[0] - row, rows)
        row += rows
        if first >= last:
            continue
        strip = strip[
            :,
            first:last,
            before[1] : before[1] + size[1],
            before[2] : before[2] + size[2],
        ]
        parts.append((strip if finish is None else finish(strip)).contiguous())
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Tensor]) -> Tensor:
    """The strips one after the other, each let go of once it is copied."""
    first = parts[0]
    rows = sum(part.shape[1] for part in parts)
    whole = first.new_empty((first.shape[0], rows, *first.shape[2:]))
    row = 0
    parts.reverse()
    while parts:
        part = parts.pop()
        whole[:, row : row + part.shape[1]] = part
        row += part.shape[1]
    return whole


def _pad(volume: Tensor, window: Sequence[int], before: Sequence[int]) -> Tensor:
    size = volume.shape[1:]
    pads = [
        (low, max(side - length, 0) - low)
        for side, length, low in zip(window, size, before, strict=True)
    ]
    if not any(map(any, pads)):
        return volume
    return F.pad(volume, [end for pair in reversed(pads) for end in pair])


def starts(side: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along an axis.

    Args:
        side: Cells of the volume, at least those of a window.
        window: Cells of a window.
        overlap: Share of a window that the next one covers too.

    Returns:
        The first cell of each window, ascending and different.
    """
    step = window if side == window else max(int(window * (1 - overlap)), 1)
    return [*range(0, side - window, step), side - window]


def _strips(
    run: Callable[[Tensor], Tensor], volume: Tensor, options: VolumeInference
) -> Iterator[Tensor]:
    """The mean logits of the rows along the first axis that no later window covers, one by one."""
    firsts, seconds, thirds = (
        starts(side, window, options.overlap)
        for side, window in zip(volume.shape[1:], options.window, strict=True)
    )
    places = [*product(seconds, thirds)]
    weights = window_weights(options.window, options.weighting).to(volume.device)
    total: Tensor | None = None  # (K, rows of a window, H, W)
    sums = volume.new_zeros((options.window[0], *volume.shape[2:]), dtype=torch.float32)
    for first, following in zip(firsts, [*firsts[1:], volume.shape[1]], strict=True):
        for i in range(0, len(places), options.batch):
            some = places[i : i + options.batch]
            windows = [_window(volume, (first, *place), options.window) for place in some]
            logits = _mirrored(run, torch.stack(windows), options.mirror).float()
            if total is None:
                total = logits.new_zeros((logits.shape[1], *sums.shape))
            for place, found in zip(some, logits, strict=True):
                covered = _window(total, (0, *place), options.window)
                # Equal weights need no multiplication: a whole window of memory less.
                covered.add_(found if options.weighting == "constant" else found * weights)
                _window(sums[None], (0, *place), options.window).add_(weights)
        assert total is not None, "at least one window"
        done = following - first
        yield total[:, :done] / sums[:done]
        _roll(total, done)
        _roll(sums[None], done)


def _window(volume: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    for axis, (low, length) in enumerate(zip(start, size, strict=True), start=1):
        volume = volume.narrow(axis, low, length)
    return volume


def _roll(rows: Tensor, done: int) -> None:
    """Move what remains to the top, and clear what becomes free."""
    left = rows.shape[1] - done
    if left > 0:
        for channel in rows:
            channel[:left] = channel[done:].clone()
    rows[:, left:] = 0


def _mirrored(run: Callable[[Tensor], Tensor], windows: Tensor, axes: Sequence[int]) -> Tensor:
    """Mean logits of windows `(N, C, d, h, w)` over the combinations of mirrored axes."""
    logits = run(windows)
    combinations = [*product(*[(False, True)] * len(axes))][1:]
    for chosen in combinations:
        flipped = [axis + 2 for axis, mirrored in zip(axes, chosen, strict=True) if mirrored]
        logits = logits + run(windows.flip(flipped)).flip(flipped)
    return logits / (len(combinations) + 1) if combinations else logits


def window_weights(window: Sequence[int], weighting: Weighting) -> Tensor:
    """The weight of each cell of a window.

    Args:
        window: Cells along each axis.
        weighting: "constant", 1 everywhere; or "gaussian", a product of one Gaussian per axis.

    Returns:
        float32 of the shape of the window, positive.
    """
    if weighting == "constant":
        return torch.ones(*window)
    weights = torch.ones(())
    for side in window:
        places = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        along = (places.square() / (-2 * (SIGMA * side) ** 2)).exp()
        weights = weights[..., None] * along
    return weights.clamp(min=max(weights.min().item(), MIN_WEIGHT))
