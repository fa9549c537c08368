"""The demo page's view of a panoptic model."""

from collections import Counter
from typing import TYPE_CHECKING

from vision.draw.panoptic import segment_colors
from vision.draw.regions import OPACITY
from vision.predict.demo_view import MAX_SHOWN, Cell, Control, View, chip, css_colour
from vision.predict.panoptic import PanopticResult

if TYPE_CHECKING:
    from PIL.Image import Image


class PanopticView(View):
    """The image under the colours of its segments, with their names."""

    headings = ("segment", "kind", "share of the image", "left", "top", "right", "bottom")

    @property
    def control(self) -> Control:
        """The opacity of the colours."""
        return Control("Opacity", "of the colours", 0.0, 1.0, OPACITY, 0.05)

    def draw(self, result: PanopticResult, setting: float) -> "Image":
        """The tinted image with names."""
        return result.plot(opacity=setting)

    def rows(self, result: PanopticResult, setting: float) -> list[list[Cell]]:
        """Name, share and box in pixels of each segment, the largest first."""
        found = result.to_dict(masks=False)["segments"]
        pixels = result.size[0] * result.size[1]
        return [
            [
                one["name"],
                "thing" if one["isthing"] else "stuff",
                round(one["area"] / pixels, 4),
                *one["box"],
            ]
            for one in sorted(found, key=lambda one: -one["area"])
        ]

    def summary(self, result: PanopticResult, setting: float) -> str:
        """How many segments of which classes."""
        count = len(result)
        head = f"<h3>{count} segment{'' if count == 1 else 's'}</h3>"
        if not count:
            return f"{head}<p>No pixel belongs to an object or a region.</p>"
        colors = segment_colors(result.segments, result.palette)
        # The first segment of a class has the plain colour of the class.
        first: dict[str, int] = {}
        for one, name in zip(result.segments, result.label_names, strict=True):
            first.setdefault(name, one["id"])
        counts = Counter(result.label_names).most_common(MAX_SHOWN)
        chips = (chip(f"{name} {n}", css_colour(colors[first[name]])) for name, n in counts)
        return f'{head}<ul class="chips">{"".join(chips)}</ul>'
