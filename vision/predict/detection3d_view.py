"""The demo page's view of a detector of boxes in space."""

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

from vision.contracts.boxes3d import HEIGHT, LENGTH, WIDTH
from vision.draw.figure import class_color
from vision.predict.demo_view import MAX_SHOWN, Cell, Control, Number, View, chip, css_colour
from vision.predict.detection3d import Boxes3DResult

if TYPE_CHECKING:
    from PIL.Image import Image

# Of KITTI's cameras, in pixels.
FOCAL = 720.0


class Detection3DView(View):
    """Boxes in space above a score threshold, on the picture and from above."""

    headings = ("object", "score", "distance in m", "length", "height", "width")

    @property
    def control(self) -> Control:
        """The threshold."""
        return Control("Threshold", "minimum score of an object", 0.0, 1.0, 0.3, 0.01)

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

    def summary(self, result: Boxes3DResult, setting: float) -> str:
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
