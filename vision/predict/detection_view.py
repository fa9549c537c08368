"""The demo page's view of a detector."""

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from vision.draw.figure import class_color
from vision.predict.demo_view import MAX_SHOWN, Cell, Control, View, chip, css_colour
from vision.predict.detection import DetectionResult

if TYPE_CHECKING:
    from PIL.Image import Image


class DetectionView(View):
    """Boxes and masks above a score threshold."""

    headings = ("object", "score", "left", "top", "right", "bottom")

    @property
    def control(self) -> Control:
        """The threshold."""
        return Control("Threshold", "minimum score of an object", 0.0, 1.0, 0.3, 0.01)

    def chosen(self, result: DetectionResult, setting: float) -> DetectionResult:
        """The objects with scores at or above the threshold."""
        kept = result.scores >= setting
        return dataclasses.replace(
            result,
            boxes=result.boxes[kept],
            labels=result.labels[kept],
            scores=result.scores[kept],
            masks=None if result.masks is None else result.masks[kept],
        )

    def draw(self, result: DetectionResult, setting: float) -> "Image":
        """The image with boxes, masks, names and scores."""
        return self.chosen(result, setting).plot()

    def rows(self, result: DetectionResult, setting: float) -> list[list[Cell]]:
        """Name, score and box in pixels of each object, highest score first."""
        found = self.chosen(result, setting)
        lines = zip(found.label_names, found.scores.tolist(), found.boxes.tolist(), strict=True)
        return [[name, round(score, 3), *(round(x, 1) for x in box)] for name, score, box in lines]

    def summary(self, result: DetectionResult, setting: float) -> str:
        """How many objects of which classes."""
        found = self.chosen(result, setting)
        count = len(found)
        head = f"<h3>{count} object{'' if count == 1 else 's'}</h3>"
        if not count:
            more = f"; {len(result)} have lower scores" if len(result) else ""
            return f"{head}<p>None has a score of {setting:g} or more{more}.</p>"
        counts = Counter(found.labels.tolist()).most_common(MAX_SHOWN)
        names = dict(zip(found.labels.tolist(), found.label_names, strict=True))
        chips = (chip(f"{names[k]} {n}", css_colour(class_color(k))) for k, n in counts)
        return f'{head}<ul class="chips">{"".join(chips)}</ul>'
