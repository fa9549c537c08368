"""Charts as SVG within a page: lines, bars, matrices, reliability.

Charts use the colours of the page's style, so they follow light and dark mode and are sharp at any
size. Texts are escaped.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vision.report.page import Html, escape, number
from vision.report.style import SERIES

# Size of a chart with axes, in SVG units; it is scaled to the available width.
WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 40
# Lines from here on are dashed, up to the next multiple: for print, and for colour blindness.
DASHED_FROM = 10
GAP_WIDTH = 0.4  # of a bar of a reliability diagram
# More points than the chart is wide cannot be seen.
MAX_POINTS = 400
# Sizes in a confusion matrix, in pixels.
CELL = 34
NUMBERED = 31  # with more classes, cells have no numbers
MAX_ZOOM = 1.6  # a matrix of few classes fills its place, but not with huge cells
# From these shares on, the numbers in cells take the next colour: light and dark pages switch
# between black and white text at different shares.
INKS = {0.0: "low", 0.53: "mid", 0.72: "high"}


class Series(NamedTuple):
    """A line of a chart.

    Attributes:
        name: Name in the legend.
        x: Ascending positions.
        y: As many values; NaN breaks the line.
        best: Position and value of the point with a ring; None for none.
        band: As many lower and upper values, between which there is a band; None for none.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    best: tuple[float, float] | None = None
    band: tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray] | None = None


class Axis(NamedTuple):
    """Title and range of an axis; None uses the range of the data, rounded out to its ticks."""

    title: str
    low: float | None = None
    high: float | None = None


def line_chart(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    title: str,
    diagonal: bool = False,
    legend: bool | None = None,
    guide: float | None = None,
    explanation: str = "",
) -> Html:
    """Draw lines over two axes, with a legend below.

    Args:
        series: The lines. The second half of twenty colours is dashed; then they repeat.
        x: Horizontal axis.
        y: Vertical axis.
        title: Heading, and alternative text for screen readers.
        diagonal: Whether to draw the dashed line x = y.
        legend: Whether to show the legend; None shows it if there are several lines.
        guide: Position of a dashed vertical line; None for none.
        explanation: A line below the chart.
    """
    heights = [values for one in series for values in (one.y, *(one.band or ()))]
    frame = _Frame(_range([one.x for one in series], x), _range(heights, y))
    parts = [frame.axes(x.title, y.title)]
    if diagonal:
        parts.append(frame.line([0, 1], [0, 1], "guide"))
    if guide is not None:
        parts.append(frame.line([guide, guide], frame.y, "guide"))
    for place, one in enumerate(series):
        if one.band is not None:
            parts.append(frame.band(one.x, *one.band, f"band {_style(place)}"))
    for place, one in enumerate(series):
        lined = _thin(one)
        parts.append(frame.line(lined.x, lined.y, f"curve {_style(place)}"))
    for place, one in enumerate(series):
        if one.best is not None:
            parts.append(frame.ring(*one.best, _style(place), f"best {one.name}"))
    named = len(series) > 1 if legend is None else legend
    return _chart(title, parts, _legend(series) if named else "", explanation)


def scatter_chart(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    title: str,
    names: Sequence[str] = (),
    explanation: str = "",
) -> Html:
    """Draw points over two axes of one range, with the dashed line x = y and a legend.

    Args:
        series: The points; their `x` need not ascend. Those that are not finite are left out.
        x: Horizontal axis; its range is that of all numbers.
        y: Vertical axis, of the same range.
        title: Heading, and alternative text for screen readers.
        names: Name of each point, the same for every series, shown on hovering.
        explanation: A line below the chart.
    """
    span = _range([values for one in series for values in (one.x, one.y)], x)
    frame = _Frame(span, span)
    parts = [frame.axes(x.title, y.title), frame.line(span, span, "guide")]
    for place, one in enumerate(series):
        for i, (a, b) in enumerate(zip(one.x, one.y, strict=True)):
            if math.isfinite(a) and math.isfinite(b):
                about = f"{one.name}, {names[i]}" if names else one.name
                parts.append(frame.ring(a, b, _style(place), about))
    return _chart(title, parts, _legend(series) if len(series) > 1 else "", explanation)


def _style(place: int) -> str:
    """Classes of a line, for its colour and whether it is dashed."""
    return f"s{place % SERIES}{' again' if place // DASHED_FROM % 2 else ''}"


def reliability_chart(
    edges: Sequence[float],
    accuracy: Sequence[float | None],
    confidence: Sequence[float | None],
    *,
    title: str,
    x_title: str = "confidence",
    y_title: str = "accuracy",
) -> Html:
    """Draw a reliability diagram: accuracy per bin of confidence, and its gap to the confidence.

    A bar reaches the accuracy; a narrower one within it, from the accuracy to the mean confidence,
    is the gap. It stands above the bar where the model is overconfident, and on it otherwise.

    Args:
        edges: Edges of the bins in [0, 1], ascending, one more than bins.
        accuracy: Accuracy of each bin, None for empty ones.
        confidence: Mean confidence of each bin, None for empty ones.
        title: Title of the chart.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
    """
    frame = _Frame((0.0, 1.0), (0.0, 1.0))
    parts = [frame.axes(x_title, y_title)]
    for low, high, right, sure in zip(edges, edges[1:], accuracy, confidence, strict=False):
        if right is None or sure is None:
            continue
        parts.append(frame.box(low, high, 0, right, "fill s0"))
        side = (high - low) * (1 - GAP_WIDTH) / 2
        gap = (low + side, high - side, min(right, sure), max(right, sure))
        parts.append(frame.box(*gap, "gap over" if sure > right else "gap under"))
    parts.append(frame.line([0, 1], [0, 1], "guide"))
    legend = (
        f'<ul class="legend"><li class="s0">{escape(y_title)}</li>'
        '<li class="gap over">overconfident by</li>'
        '<li class="gap under">underconfident by</li></ul>'
    )
    return _chart(title, parts, Html(legend))


def histogram(
    edges: Sequence[float], counts: Sequence[float], *, title: str, x_title: str, y_title: str
) -> Html:
    """Draw a histogram.

    Args:
        edges: Edges of the bins, ascending, one more than bins.
        counts: Count of each bin.
        title: Title of the chart.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
    """
    highest = float(max(counts, default=0)) or 1.0
    frame = _Frame((float(edges[0]), float(edges[-1])), _round_out(0.0, highest))
    parts = [frame.axes(x_title, y_title)]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        parts.append(frame.box(low, high, 0, count, "fill s0"))
    return _chart(title, parts)


def bar(value: float | None, *, maximum: float = 1.0, series: int = 0) -> Html:
    """Draw a bar for a cell of a table.

    Args:
        value: Length of the bar; None and NaN give no bar.
        maximum: The value of a full bar.
        series: Index of the colour.
    """
    known = value is not None and not math.isnan(value) and maximum > 0
    share = min(max(float(value or 0) / maximum, 0.0), 1.0) if known else 0.0
    return Html(
        '<svg class="bar" aria-hidden="true"><rect class="back" width="100%" height="100%" rx="2"/>'
        f'<rect class="fill s{series % SERIES}" width="{100 * share:.1f}%" height="100%" rx="2"/>'
        "</svg>"
    )


def heat_map(
    matrix: np.ndarray,
    names: Sequence[str],
    *,
    title: str,
    row_title: str = "true",
    column_title: str = "predicted",
) -> Html:
    """Draw a confusion matrix: the larger its share of the row, the darker a cell.

    It is as wide as its place, and scrolls where that is too narrow.

    Args:
        matrix: `(K, K)` counts, rows are true classes and columns predicted ones.
        names: Name of each class.
        title: Title of the chart.
        row_title: Title of the rows.
        column_title: Title of the columns.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    longest = max((len(_short(name)) for name in names), default=1)
    left, top = 30 + 7 * longest, 34 + (7 * longest if longest > 3 else 16)
    size = CELL * len(names)
    labels = [_short(name) for name in names]
    parts = [
        f'<text class="tick" x="{left + size / 2:.0f}" y="14" text-anchor="middle">'
        f"{escape(column_title)}</text>",
        f'<text class="tick" transform="translate(14 {top + size / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(row_title)}</text>',
    ]
    for i, name in enumerate(labels):
        middle = CELL * i + CELL / 2
        parts.append(
            f'<text x="{left - 6}" y="{top + middle + 4}" text-anchor="end">{escape(name)}</text>'
        )
        turned = f'transform="translate({left + middle + 4} {top - 6}) rotate(-90)"'
        if longest <= 3:
            turned = f'x="{left + middle}" y="{top - 6}" text-anchor="middle"'
        parts.append(f"<text {turned}>{escape(name)}</text>")
    parts += _cells(matrix, shares, names, left, top)
    width, height = left + size + 4, top + size + 4
    return Html(
        '<figure class="chart matrix"><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(title)}"><svg role="img" aria-label="{escape(title)}" '
        f'style="min-width:{width}px;max-width:{MAX_ZOOM * width:.0f}px" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
        f"</div><figcaption>{escape(title)}</figcaption></figure>"
    )


def _cells(
    matrix: np.ndarray, shares: np.ndarray, names: Sequence[str], left: int, top: int
) -> Iterable[str]:
    for row, column in np.ndindex(matrix.shape):
        x, y = left + CELL * column, top + CELL * row
        share, count = float(shares[row, column]), matrix[row, column]
        about = f"{names[row]} as {names[column]}: {number(int(count))} ({share:.1%})"
        yield (
            f'<rect class="cell" x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" '
            f'fill-opacity="{max(share, 0.04):.3f}"><title>{escape(about)}</title></rect>'
        )
        if count and len(names) <= NUMBERED:
            kind = [name for minimum, name in INKS.items() if share >= minimum][-1]
            yield (
                f'<text class="{kind}" x="{x + CELL / 2 - 0.5}" y="{y + CELL / 2 + 4}" '
                f'text-anchor="middle" pointer-events="none">{_brief(int(count))}</text>'
            )


class _Frame:
    """The plot area of a chart with two axes: maps data values to SVG coordinates."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def across(self, value: float) -> float:
        low, high = self.x
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    def up(self, value: float) -> float:
        low, high = self.y
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    def line(self, x: Iterable[float], y: Iterable[float], kind: str) -> str:
        path, drawing = "", False
        for a, b in zip(x, y, strict=True):
            if math.isnan(b):
                drawing = False
                continue
            path += f"{'L' if drawing else 'M'}{self.across(a):.1f} {self.up(b):.1f}"
            # A single point is drawn as a dot.
            path += "" if drawing else "h.01"
            drawing = True
        return f'<path class="{kind}" stroke-linecap="round" d="{path}"/>'

    def band(
        self, x: Iterable[float], low: Iterable[float], high: Iterable[float], kind: str
    ) -> str:
        points = [p for p in zip(x, low, high, strict=True) if not any(map(math.isnan, p))]
        there = [f"{self.across(a):.1f} {self.up(b):.1f}" for a, b, _ in points]
        back = [f"{self.across(a):.1f} {self.up(c):.1f}" for a, _, c in reversed(points)]
        return f'<path class="{kind}" d="M{"L".join(there + back)}Z"/>' if points else ""

    def box(self, left: float, right: float, low: float, high: float, kind: str) -> str:
        x, y = self.across(left), self.up(high)
        return (
            f'<rect class="{kind}" x="{x + 0.5:.1f}" y="{y:.1f}" '
            f'width="{max(self.across(right) - x - 1, 0.5):.1f}" '
            f'height="{max(self.up(low) - y, 0):.1f}"/>'
        )

    def ring(self, x: float, y: float, kind: str, about: str) -> str:
        return (
            f'<circle class="ring {kind}" cx="{self.across(x):.1f}" cy="{self.up(y):.1f}" r="5">'
            f"<title>{escape(about)}: {number(y)}</title></circle>"
        )

    def axes(self, x_title: str, y_title: str) -> str:
        bottom, end = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for value, label in ticks(*self.y):
            y = self.up(value)
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{end}"/>')
            parts.append(
                f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                f"{label}</text>"
            )
        for value, label in ticks(*self.x):
            parts.append(
                f'<text class="tick" x="{self.across(value):.1f}" y="{bottom + 16}" '
                f'text-anchor="middle">{label}</text>'
            )
        parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{end}"/>')
        middle = (LEFT + end) / 2
        parts.append(
            f'<text class="tick" x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">'
            f"{escape(x_title)}</text>"
        )
        parts.append(
            f'<text class="tick" transform="translate(12 {(TOP + bottom) / 2}) rotate(-90)" '
            f'text-anchor="middle">{escape(y_title)}</text>'
        )
        return "".join(parts)


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """About five round positions between two values, each with its label.

    Args:
        low: Lower end.
        high: Upper end, greater than `low`.
    """
    step = _step(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    places = [i * step for i in range(first, last + 1)]
    return [(place, _tick(place, digits)) for place in places]


def _step(low: float, high: float) -> float:
    """The round distance between about five ticks."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)


def _tick(value: float, digits: int) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):g}{letter}"
    return f"{value:.{digits}f}" if digits < 5 else f"{value:g}"


def _range(values: Iterable[Sequence[float] | np.ndarray], axis: Axis) -> tuple[float, float]:
    known = np.concatenate([np.asarray(one, float) for one in values] or [np.zeros(0)])
    known = known[np.isfinite(known)]
    minimum = float(known.min()) if len(known) else 0.0
    maximum = float(known.max()) if len(known) else 1.0
    low = minimum if axis.low is None else axis.low
    high = maximum if axis.high is None else axis.high
    if high <= low:
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, low + room
    rounded = _round_out(low, high)
    return (
        rounded[0] if axis.low is None else low,
        rounded[1] if axis.high is None else high,
    )


def _round_out(low: float, high: float) -> tuple[float, float]:
    """Widen a range so that both of its ends are ticks."""
    for _ in range(4):  # a wider range may have wider ticks
        step = _step(low, high)
        low = step * math.floor(low / step + 1e-9)
        high = step * math.ceil(high / step - 1e-9)
    return low, high


def _thin(series: Series) -> Series:
    """Thin a line to at most `MAX_POINTS` evenly spread points, both ends included."""
    x, y = np.asarray(series.x, float), np.asarray(series.y, float)
    if len(x) > MAX_POINTS:
        kept = np.unique(np.linspace(0, len(x) - 1, MAX_POINTS).round().astype(int))
        x, y = x[kept], y[kept]
    return Series(series.name, x, y)


def _legend(series: Sequence[Series]) -> Html:
    entries = (f'<li class="{_style(i)}">{escape(one.name)}</li>' for i, one in enumerate(series))
    return Html(f'<ul class="legend">{"".join(entries)}</ul>')


def _chart(title: str, parts: Iterable[str], legend: str = "", explanation: str = "") -> Html:
    below = f"<figcaption>{escape(explanation)}</figcaption>" if explanation else ""
    return Html(
        f'<figure class="chart"><h4>{escape(title)}</h4>'
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"{''.join(parts)}</svg>{legend}{below}</figure>"
    )


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"


def _brief(count: int) -> str:
    """A count in at most five characters."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            shown = count / size
            return f"{shown:.0f}{letter}" if shown >= 10 else f"{shown:.1f}{letter}"
    return str(count)
