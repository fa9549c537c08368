"""The demo page's view of a detector of boxes in space."""

import dataclasses
from typing import TYPE_CHECKING, Any

from vision.contracts.boxes3d import HEIGHT, LENGTH, WIDTH
from vision.predict.demo_view import Cell, Number
from vision.predict.detection3d import Boxes3DResult
from vision.predict.objects_view import ObjectsView

if TYPE_CHECKING:
    from PIL.Image import Image

# Of KITTI's cameras, in pixels.
FOCAL = 720.0


class Detection3DView(ObjectsView):
    """Boxes in space above a score threshold, on the picture and from above."""

    headings = ("object", "score", "distance in m", "length", "height", "width")

    @property
    def number(self) -> Number:
        """The focal length."""
        return Number(
            "Focal length", "of the camera, in pixels of the picture; it sets the scale", FOCAL
        )

    def options(self, number: float) -> dict[str, Any]:
        """The camera of a focal length, which looks through the middle of the picture."""
        return {"camera": number}

    def chosen(self, result: Boxes3DResult, setting: float) -> Boxes3DResult:
        """The objects with scores at or above the threshold."""
        kept = result.scores >= setting
        return dataclasses.replace(
            result,
            boxes3d=result.boxes3d[kept],
            boxes=result.boxes[kept],
            alpha=result.alpha[kept],
            labels=result.labels[kept],
            scores=result.scores[kept],
        )

    def draw(self, result: Boxes3DResult, setting: float) -> "Image":
        """Wires on the picture, and the boxes from above."""
        return result.plot(threshold=setting)

    def rows(self, result: Boxes3DResult, setting: float) -> list[list[Cell]]:
        """Name, score, distance and sizes in metres of each object, highest score first."""
        found = self.chosen(result, setting)
        distance = found.boxes3d[:, [0, 2]].norm(dim=1).tolist()
        sizes = found.boxes3d[:, [LENGTH, HEIGHT, WIDTH]].tolist()
        lines = zip(found.label_names, found.scores.tolist(), distance, sizes, strict=True)
        return [
            [name, round(score, 3), round(far, 1), *(round(side, 2) for side in size)]
            for name, score, far, size in lines
        ]
