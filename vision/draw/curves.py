"""The curves of a training: loss, validation metrics, learning rate."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

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
) -> "Figure":
    """Draw the loss and the learning rate on the left, validation metrics on the right.

    Args:
        curves: Curve by name of the metric; only losses, learning rate and `shown` are drawn.
        title: A line above all.
        shown: Names of the validation metrics to draw, the most important first; six are drawn.
        monitor: The metric that chooses the best checkpoint, and `"max"` or `"min"`: its best value
            is marked.

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
    last = max(int(curve.steps[-1]) for curve in curves.values() if len(curve.steps))
    for axis in panels.values():
        _style(axis, last)
    if losses:
        _draw_losses(panels["loss"], {name: curves[name] for name in losses}, monitor)
    if RATE in curves:
        panels["rate"].plot(*curves[RATE], color=FAINT, linewidth=1.6)
        panels["rate"].set_ylim(bottom=0)
        panels["rate"].set_title("learning rate", color=INK, fontsize=11, loc="left")
        panels["rate"].ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    if names:
        chosen = {name: curves[name] for name in names[:MAX_METRICS]}
        _draw_metrics(panels["metrics"], chosen, monitor)
    for axis in {panels[row[-1]] for row in rows[-1:]} | {panels[rows[-1][0]]}:
        axis.set_xlabel("optimiser step", color=INK, fontsize=10)
    return figure


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
    axis: "Axes", curves: Mapping[str, Curve], monitor: tuple[str, str] | None
) -> None:
    axis.set_title("loss", color=INK, fontsize=11, loc="left")
    lowest, highest = np.inf, 0.0
    if TRAIN_LOSS in curves:
        steps, values = curves[TRAIN_LOSS].steps, _with_gaps(curves[TRAIN_LOSS])
        smoothed = smooth(values, SMOOTHED_OVER * len(values))
        single = len(values) == 1
        axis.plot(steps, values, color=COLORS[0], alpha=0.25, linewidth=0.8)
        style = {"marker": "o", "markersize": 5} if single else {}
        axis.plot(steps, smoothed, color=COLORS[0], linewidth=1.8, label="training", **style)  # type: ignore[arg-type]
        lowest, highest = _range(smoothed, lowest, highest)
    if VAL_LOSS in curves:
        steps, values = curves[VAL_LOSS].steps, _with_gaps(curves[VAL_LOSS])
        _plot_points(axis, steps, values, COLORS[1], "validation", bold=True)
        lowest, highest = _range(values, lowest, highest)
        if monitor is not None and monitor[0] == VAL_LOSS:
            _mark_best(axis, "loss", curves[VAL_LOSS], monitor[1], COLORS[1])
    if lowest > 0 and highest > LOG_FROM * lowest:
        axis.set_yscale("log")
    axis.legend(frameon=False, fontsize=9, labelcolor=INK)


def _draw_metrics(
    axis: "Axes", curves: Mapping[str, Curve], monitor: tuple[str, str] | None
) -> None:
    axis.set_title("validation", color=INK, fontsize=11, loc="left")
    for color, (name, curve) in zip(COLORS, curves.items(), strict=False):
        bold = monitor is not None and name == monitor[0]
        values = _with_gaps(curve)
        there = values[np.isfinite(values)]
        end = f"  {there[-1]:.4g}" if len(there) else "  not finite"
        label = figure_line(name.removeprefix("val/"), 40) + end
        _plot_points(axis, curve.steps, values, color, label, bold=bold)
        if bold and monitor is not None:
            _mark_best(axis, name.removeprefix("val/"), curve, monitor[1], color)
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
    )


def _mark_best(axis: "Axes", name: str, curve: Curve, mode: str, color: str) -> None:
    values = _with_gaps(curve)
    if not np.isfinite(values).any():
        return
    best = int(np.nanargmax(values) if mode == "max" else np.nanargmin(values))
    step, value = curve.steps[best], values[best]
    axis.plot([step], [value], marker="*", markersize=15, color=color, markeredgecolor="white")
    text = f"best {figure_line(name, 40)} {value:.4g}, step {step}"
    axis.set_title(text, color=color, fontsize=10, fontweight="bold", loc="right")


def _style(axis: "Axes", last_step: int) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.set_xlim(-0.02 * last_step - 0.5, 1.03 * last_step + 0.5)
    axis.margins(y=0.1)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.grid(color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(colors=INK, labelsize=9, length=0)
    for side, spine in axis.spines.items():
        spine.set_color(FAINT)
        spine.set_visible(side in ("left", "bottom"))


def _with_gaps(curve: Curve) -> np.ndarray:
    return np.where(np.isfinite(curve.values), curve.values, np.nan)


def _range(values: np.ndarray, lowest: float, highest: float) -> tuple[float, float]:
    there = values[np.isfinite(values)]
    if not len(there):
        return lowest, highest
    return min(lowest, float(there.min())), max(highest, float(there.max()))
