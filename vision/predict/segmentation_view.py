"""The demo page's view of a segmentor."""

from typing import TYPE_CHECKING

from vision.predict.demo_view import MAX_SHOWN, Cell, Control, View, bar, css_colour
from vision.predict.segmentation import SegmentationResult

if TYPE_CHECKING:
    from PIL.Image import Image


class SegmentationView(View):
    """The image under the colours of its classes, with their legend."""

    headings = ("class", "share of the image")

    @property
    def control(self) -> Control:
        """The opacity of the colours."""
        return Control("Opacity", "of the colours", 0.0, 1.0, 0.55, 0.05)

    def draw(self, result: SegmentationResult, setting: float) -> "Image":
        """The tinted image."""
        return result.plot(opacity=setting)

    def rows(self, result: SegmentationResult, setting: float) -> list[list[Cell]]:
        """Name and share of each class that is in the image, the largest first."""
        return [[name, round(share, 4)] for name, share in result.shares().items()]

    def summary(self, result: SegmentationResult, setting: float) -> str:
        """The legend: colour, name and share of each class."""
        colours = {name: colour for name, colour in zip(result.names, result.palette, strict=False)}
        shares = result.shares()
        bars = [
            bar(name, share, css_colour(colours.get(name, (128, 128, 128))))
            for name, share in list(shares.items())[:MAX_SHOWN]
        ]
        count = len(shares)
        return f"<h3>{count} class{'' if count == 1 else 'es'}</h3>{''.join(bars)}"
