"""The demo page's view of a classifier."""

import html
from typing import TYPE_CHECKING

from vision.draw.figure import class_color
from vision.predict.classification import ClassificationResult
from vision.predict.demo_view import Cell, Control, View, bar, css_colour

if TYPE_CHECKING:
    from PIL.Image import Image


class ClassificationView(View):
    """Bars of the most probable classes."""

    headings = ("class", "probability")

    @property
    def control(self) -> Control:
        """How many classes are shown."""
        maximum = min(self.classes, 10)
        return Control(
            "Classes shown", "the most probable ones", 1, max(maximum, 2), min(5, maximum), 1
        )

    def draw(self, result: ClassificationResult, setting: float) -> "Image":
        """The image with its most probable classes."""
        return result.plot(top=int(setting))

    def rows(self, result: ClassificationResult, setting: float) -> list[list[Cell]]:
        """Name and probability of each class, most probable first."""
        return [[name, round(score, 4)] for name, score in result.top(int(setting))]

    def summary(self, result: ClassificationResult, setting: float) -> str:
        """A headline and bars."""
        ranked = result.top(int(setting))
        bars = (
            bar(name, score, css_colour(class_color(result.names.index(name))))
            for name, score in ranked
            if name in result.names
        )
        return f"<h3>{html.escape(result.name)}</h3>{''.join(bars)}"
