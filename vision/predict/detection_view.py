"""The demo page's view of a detector."""

import dataclasses
from typing import TYPE_CHECKING

from vision.predict.demo_view import Cell
from vision.predict.detection import DetectionResult
from vision.predict.objects_view import ObjectsView

if TYPE_CHECKING:
    from PIL.Image import Image


class DetectionView(ObjectsView):
    """Boxes and masks above a score threshold."""

    headings = ("object", "score", "left", "top", "right", "bottom")

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
