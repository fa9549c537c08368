"""The curves of a training: loss, validation metrics, learning rate."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vision.draw.epochs import Epochs
from vision.draw.figure import FAINT, INK, new_figure
from vision.draw.text import figure_line
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN_LOSS, VAL_LOSS, RATE = "train/loss", "val/loss", "lr"
# Distinguishable with red-green colour blindness.
COLORS = ("#2563a8", "#d9822b", "#3f9c75", "#b0457b", "#8a6d3b", "#6554c0")
GRID = "#e4e7eb"
# A loss that falls by more than this factor is shown on a logarithmic axis.
LOG_FROM = 30.0
SMOOTHED_OVER = 0.02  # share of the points of a curve
MAX_METRICS = 6
RATE_TICKS = 3  # of the learning rate, whose panel is low


class Curve(NamedTuple):
    """One metric over a training.

    Attributes:
        steps: Optimiser steps `(N,)` at which it was logged, ascending.
        values: Its values `(N,)`; those that are not finite leave a gap.
    """

    steps: np.ndarray
    values: np.ndarray


def draw_curves(
    curves: Mapping[str, Curve],
    *,
    title: str,
    shown: Sequence[str] = (),
    monitor: tuple[str, str] | None = None,
    epochs: Epochs | None = None,
    loss_note: str = "",
) -> "Figure":
    """Draw the loss and the learning rate on the left, validation metrics on the right.

    Args:
        curves: Curve by name of the metric; only losses, learning rate and `shown` are drawn.
        title: A line above all.
        shown: Names of the validation metrics to draw, the most important first; six are drawn.
        monitor: The metric that chooses the best checkpoint, and `"max"` or `"min"`: its best value
            is marked.
        epochs: Epoch of each step, for the horizontal axes; None draws over optimiser steps.
        loss_note: A line above the legend of the losses, if both are drawn.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There is nothing to draw.
    """
    names = [name for name in dict.fromkeys(shown) if name in curves and name != VAL_LOSS]
    losses = [name for name in (TRAIN_LOSS, VAL_LOSS) if name in curves]
    if not names and not losses and RATE not in curves:
        raise ConfigError(f"no metric can be drawn; there are {', '.join(curves) or 'none'}.")
    left = [[panel] for panel, there in (("loss", losses), ("rate", RATE in curves)) if there]
    rows = [[*row, "metrics"] for row in left] if names and left else left or [["metrics"]]
    figure = new_figure(13.0 if len(rows[0]) > 1 else 8.0, 6.0)
    figure.suptitle(figure_line(title), color=INK, fontsize=14, fontweight="bold")
    heights = [3.0 if row[0] != "rate" else 1.0 for row in rows]
    panels: dict[str, Any] = figure.subplot_mosaic(rows, height_ratios=heights)  # type: ignore[arg-type]
    placed = {name: _place(curve, epochs) for name, curve in curves.items()}
    unit = "step" if epochs is None else "epoch"
    for axis in panels.values():
        _style(axis)
    if losses:
        _draw_losses(panels["loss"], {name: placed[name] for name in losses}, monitor, unit)
        if loss_note and len(losses) > 1:
            panels["loss"].get_legend().set_title(loss_note, prop={"size": 8})
    if RATE in curves:
        panels["rate"].plot(*placed[RATE], color=FAINT, linewidth=1.6)
        panels["rate"].set_title("learning rate", color=INK, fontsize=11, loc="left")
        panels["rate"].ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        panels["rate"].set_ylim(bottom=0)
    if names:
        chosen = {name: placed[name] for name in names[:MAX_METRICS]}
        _draw_metrics(panels["metrics"], chosen, monitor, unit)
    last = max(float(curve.x[-1]) for curve in placed.values() if len(curve.x))
    for panel, axis in panels.items():
        _number_ends(axis, last, RATE_TICKS if panel == "rate" else 6)
    for axis in {panels[row[-1]] for row in rows[-1:]} | {panels[rows[-1][0]]}:
        axis.set_xlabel("optimiser step" if epochs is None else unit, color=INK, fontsize=10)
    return figure


class _Placed(NamedTuple):
    """A curve over a horizontal axis, `(N,)` each; what is not finite is NaN."""

    x: np.ndarray
    y: np.ndarray


def _place(curve: Curve, epochs: Epochs | None) -> _Placed:
    x = curve.steps if epochs is None else epochs.at(curve.steps)
    return _Placed(x, np.where(np.isfinite(curve.values), curve.values, np.nan))


def smooth(values: np.ndarray, span: float) -> np.ndarray:
    """Exponential moving average without the bias of its start; gaps are skipped.

    Args:
        values: `(N,)`, NaN where there is none.
        span: Number of values that it reaches back over, 1 or more.

    Returns:
        `(N,)`, NaN where `values` is.
    """
    keep = 1.0 - 1.0 / max(span, 1.0)
    total = weight = 0.0
    averages = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if np.isfinite(value):
            total = keep * total + (1.0 - keep) * value
            weight = keep * weight + (1.0 - keep)
            averages[i] = total / weight
    return averages


def _draw_losses(
    axis: "Axes", curves: Mapping[str, _Placed], monitor: tuple[str, str] | None, unit: str
) -> None:
    axis.set_title("loss", color=INK, fontsize=11, loc="left")
    lowest, highest = np.inf, 0.0
    if TRAIN_LOSS in curves:
        steps, values = curves[TRAIN_LOSS]
        smoothed = smooth(values, SMOOTHED_OVER * len(values))
        single = len(values) == 1
        axis.plot(steps, values, color=COLORS[0], alpha=0.25, linewidth=0.8)
        style = {"marker": "o", "markersize": 5} if single else {}
        axis.plot(steps, smoothed, color=COLORS[0], linewidth=1.8, label="training", **style)  # type: ignore[arg-type]
        lowest, highest = _range(smoothed, lowest, highest)
    if VAL_LOSS in curves:
        steps, values = curves[VAL_LOSS]
        _plot_points(axis, steps, values, COLORS[1], "validation", bold=True)
        lowest, highest = _range(values, lowest, highest)
        if monitor is not None and monitor[0] == VAL_LOSS:
            _mark_best(axis, "loss", curves[VAL_LOSS], monitor[1], COLORS[1], unit)
    if lowest > 0 and highest > LOG_FROM * lowest:
        axis.set_yscale("log")
    axis.legend(frameon=False, fontsize=9, labelcolor=INK)


def _draw_metrics(
    axis: "Axes", curves: Mapping[str, _Placed], monitor: tuple[str, str] | None, unit: str
) -> None:
    axis.set_title("validation", color=INK, fontsize=11, loc="left")
    for color, (name, curve) in zip(COLORS, curves.items(), strict=False):
        bold = monitor is not None and name == monitor[0]
        there = curve.y[np.isfinite(curve.y)]
        end = f"  {there[-1]:.4g}" if len(there) else "  not finite"
        label = figure_line(name.removeprefix("val/"), 40) + end
        _plot_points(axis, *curve, color, label, bold=bold)
        if bold and monitor is not None:
            _mark_best(axis, name.removeprefix("val/"), curve, monitor[1], color, unit)
    axis.legend(frameon=False, fontsize=9, labelcolor=INK, title="at the end", title_fontsize=9)


def _plot_points(
    axis: "Axes", steps: np.ndarray, values: np.ndarray, color: str, label: str, *, bold: bool
) -> None:
    """A line with a mark at each value, unless there are too many to distinguish."""
    few = len(steps) <= 60
    axis.plot(
        steps,
        values,
        color=color,
        label=label,
        linewidth=2.2 if bold else 1.3,
        marker="o" if few else None,
        markersize=4 if bold else 3,
        clip_on=False,
    )


def _mark_best(axis: "Axes", name: str, curve: _Placed, mode: str, color: str, unit: str) -> None:
    if not np.isfinite(curve.y).any():
        return
    best = int(np.nanargmax(curve.y) if mode == "max" else np.nanargmin(curve.y))
    x, value = curve.x[best], curve.y[best]
    axis.axvline(x, color=FAINT, linewidth=1.0, linestyle="--", zorder=0)
    axis.plot(
        [x], [value], marker="*", markersize=15, color=color, markeredgecolor="white", clip_on=False
    )
    where = f"{x:.0f}" if unit == "step" else f"{x:.4g}"
    text = f"best {figure_line(name, 40)} {value:.4g}, {unit} {where}"
    axis.set_title(text, color=color, fontsize=10, fontweight="bold", loc="right")


def _style(axis: "Axes") -> None:
    from matplotlib.ticker import EngFormatter

    axis.margins(y=0)
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.grid(color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(colors=INK, labelsize=9, length=0)
    for side, spine in axis.spines.items():
        spine.set_color(FAINT)
        spine.set_visible(side in ("left", "bottom"))


def _number_ends(axis: "Axes", last: float, most: int) -> None:
    """Widen both axes to their ticks, so that each has a number at both ends."""
    from matplotlib.ticker import MaxNLocator, NullFormatter

    across = MaxNLocator(nbins=6, integer=True).tick_values(0, max(last, 1.0))
    axis.set_xticks(across)
    axis.set_xlim(across[0], across[-1])
    low, high = axis.get_ylim()
    if axis.get_yscale() == "log":
        up = _log_ticks(low, high)
        axis.yaxis.set_minor_formatter(NullFormatter())
    else:
        up = np.asarray(MaxNLocator(nbins=most).tick_values(low, high))
    axis.set_yticks(up)
    axis.set_ylim(up[0], up[-1])
    if axis.get_yscale() == "log":
        axis.set_yticklabels([f"{tick:g}" for tick in up])


def _log_ticks(low: float, high: float) -> np.ndarray:
    """Powers of ten from `low` down to `high` up, or 1, 2 and 5 of each where these are few."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    if len(powers) > 3:
        return powers
    finer = np.sort(np.concatenate([powers, 2 * powers, 5 * powers]))
    first = np.flatnonzero(finer <= low)[-1]
    last = np.flatnonzero(finer >= high)[0]
    return finer[first : last + 1]


def _range(values: np.ndarray, lowest: float, highest: float) -> tuple[float, float]:
    there = values[np.isfinite(values)]
    if not len(there):
        return lowest, highest
    return min(lowest, float(there.min())), max(highest, float(there.max()))
