"""Plots of results: throughput against published accuracy, and cost against resolution."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from vision.benchmarks.results import Table
from vision.weights.index import published_weights

# Rows that a plot is made of.
_INFERENCE = re.compile(r"(\w+), inference")
_AT_SIDE = re.compile(r"(\w+), (.+) at (\d+) x \3")


class Point(NamedTuple):
    """A point of a line, or of a cloud.

    Attributes:
        name: Of the backbone.
        x: Images per second, or the side of the images in pixels.
        y: Published top-1 in percent, or a cost.
    """

    name: str
    x: float
    y: float


def accuracy_points(tables: Iterable[Table]) -> list[Point]:
    """Throughput by the clock, and published top-1, of each backbone that was measured."""
    published = published_weights()
    points = {}
    for table in tables:
        for row in table.rows:
            named = _INFERENCE.fullmatch(row.label)
            known = published.get(named[1]) if named else None
            if named and row.unit == "ms/image" and known and known.top1 is not None:
                points[named[1]] = Point(named[1], 1e3 / row.ours, known.top1)
    return list(points.values())


def cost_points(tables: Iterable[Table]) -> dict[str, list[Point]]:
    """Costs by the side of the images, times by the clock: a list for each kind of cost."""
    points: dict[str, list[Point]] = defaultdict(list)
    for table in tables:
        for row in table.rows:
            named = _AT_SIDE.fullmatch(row.label)
            if named and not row.unit.startswith("CPU "):
                kind = f"{named[2]}, {row.unit}"
                points[kind].append(Point(named[1], float(named[3]), row.ours))
    return dict(points)


def draw_plots(tables: Sequence[Table], folder: Path) -> list[Path]:
    """Draw what the tables have figures for.

    Args:
        tables: Results of one or more runs.
        folder: Where to write `accuracy.svg` and `cost_1.svg`, ...; it is made.

    Returns:
        The files.
    """
    written = []
    if points := accuracy_points(tables):
        path = folder / "accuracy.svg"
        _draw(
            [[point] for point in points],
            path,
            axes=("images per second", "published top-1 on ImageNet, %"),
            logarithmic=False,
        )
        written.append(path)
    for number, (kind, costs) in enumerate(cost_points(tables).items(), start=1):
        lines: dict[str, list[Point]] = defaultdict(list)
        for point in costs:
            lines[point.name].append(point)
        path = folder / f"cost_{number}.svg"
        _draw(list(lines.values()), path, axes=("side of the image, pixels", kind))
        written.append(path)
    return written


def _draw(
    lines: Sequence[Sequence[Point]],
    path: Path,
    *,
    axes: tuple[str, str],
    logarithmic: bool = True,
) -> None:
    """Draw one line for each backbone; a single point has its name beside it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axis = figure.add_subplot()
    for line in lines:
        x, y = [point.x for point in line], [point.y for point in line]
        axis.plot(x, y, marker="o", label=line[0].name)
        if len(line) == 1:
            axis.annotate(line[0].name, (x[0], y[0]), xytext=(5, 4), textcoords="offset points")
    if logarithmic:
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        axis.legend(fontsize="small")
    else:
        axis.margins(x=0.15)  # names stand to the right of their points
    axis.set_xlabel(axes[0])
    axis.set_ylabel(axes[1])
    axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Equal figures give equal files.
    with mpl.rc_context({"svg.hashsalt": "vision", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
