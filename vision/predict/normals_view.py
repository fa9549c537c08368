"""The demo page's view of a model of surface normals."""

from typing import TYPE_CHECKING

import torch

from vision.draw.normals import color_normals
from vision.predict.demo_view import Cell, Control, View, bar, css_colour
from vision.predict.normals import DIRECTIONS, NormalsResult

if TYPE_CHECKING:
    from PIL.Image import Image

NAMES = {
    "camera": "faces the camera",
    "up": "faces up",
    "down": "faces down",
    "left": "faces left",
    "right": "faces right",
}


class NormalsView(View):
    """The image under the colours of its normals, with the share of pixels by direction."""

    headings = ("direction", "share of the image")

    @property
    def control(self) -> Control:
        """The opacity of the colours."""
        return Control("Opacity", "of the colours", 0.0, 1.0, 1.0, 0.05)

    def draw(self, result: NormalsResult, setting: float) -> "Image":
        """The coloured normals."""
        return result.plot(opacity=setting)

    def rows(self, result: NormalsResult, setting: float) -> list[list[Cell]]:
        """The share of pixels that face each direction, the largest first."""
        return [[NAMES[name], round(share, 4)] for name, share in result.shares().items()]

    def summary(self, result: NormalsResult, setting: float) -> str:
        """The directions, each in the colour of its normal."""
        shares = result.shares()
        colors = color_normals(torch.tensor([DIRECTIONS[name] for name in shares]).T[:, None])
        bars = [
            bar(NAMES[name], share, css_colour(colors[:, 0, place].tolist()))
            for place, (name, share) in enumerate(shares.items())
        ]
        return f"<h3>Where surfaces face</h3>{''.join(bars)}"
