"""The demo page's view of a depth estimator."""

import math
from typing import TYPE_CHECKING

import numpy as np

from vision.draw.depth import depth_span, meters
from vision.draw.ramps import DEPTH, ramp_colors
from vision.draw.scales import round_ticks
from vision.predict.demo_view import Cell, Control, View, bar, css_colour
from vision.predict.depth import DepthResult

if TYPE_CHECKING:
    from PIL.Image import Image


class DepthView(View):
    """The image under the colours of its depth, with the share of pixels by distance."""

    headings = ("distance", "share of the image")

    @property
    def control(self) -> Control:
        """The opacity of the colours."""
        return Control("Opacity", "of the colours", 0.0, 1.0, 1.0, 0.05)

    def draw(self, result: DepthResult, setting: float) -> "Image":
        """The coloured depth, with its scale."""
        return result.plot(opacity=setting)

    def rows(self, result: DepthResult, setting: float) -> list[list[Cell]]:
        """The share of pixels of each interval of distance, from near to far."""
        return [[name, round(share, 4)] for name, share, _ in _intervals(result)]

    def summary(self, result: DepthResult, setting: float) -> str:
        """The nearest, the median and the farthest depth, and the intervals in their colours."""
        low, median, high, _ = result.to_dict()["depth"].values()
        if median is None:
            return "<h3>no depth</h3>"
        bars = [bar(name, share, css_colour(color)) for name, share, color in _intervals(result)]
        title = f"<h3>{low:.2f} to {high:.2f} m, median {median:.2f} m</h3>"
        return title + "".join(bars)


def _intervals(result: DepthResult) -> list[tuple[str, float, np.ndarray]]:
    """Name, share of the image and colour, uint8 `(3,)`, of each interval that has pixels."""
    span = depth_span(result.depth)
    ticks = round_ticks(span.near_m, span.far_m, log=span.log)
    edges = [0.0, *ticks, math.inf]
    counts, _ = np.histogram(result.depth.double().numpy(), [1e-12, *ticks, np.inf])
    found = []
    for low, high, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True):
        if not count:
            continue
        if low == 0:
            name = f"below {meters(high)} m"
        elif high == math.inf:
            name = f"above {meters(low)} m"
        else:
            name = f"{meters(low)} to {meters(high)} m"
        middle = (max(low, span.near_m) + min(high, span.far_m)) / 2
        color = ramp_colors(span.places(np.array(middle)), DEPTH)
        found.append((name, count / result.depth.numel(), color))
    return found
