"""The demo page's view of a detector of boxes in sweeps of a lidar."""

import dataclasses
from typing import TYPE_CHECKING

from vision.contracts.boxes3d import HEIGHT, LENGTH, WIDTH
from vision.predict.demo_view import Cell
from vision.predict.lidar import LidarResult
from vision.predict.objects_view import ObjectsView
from vision.predict.sweep_sources import SweepSources

if TYPE_CHECKING:
    from PIL.Image import Image


class LidarView(ObjectsView):
    """Boxes in space above a score threshold, from above, with the points of the sweep."""

    headings = ("object", "score", "distance in m", "length", "height", "width")
    suffixes = SweepSources.suffixes
    given = "sweep"
    hint = "Give a sweep on the left, a .bin, .npy or .ply file; the result appears here."
    unreadable = "The file could not be read as a sweep: give KITTI's .bin, .npy or .ply."

    def chosen(self, result: LidarResult, setting: float) -> LidarResult:
        """The objects with scores at or above the threshold."""
        kept = result.scores >= setting
        return dataclasses.replace(
            result,
            boxes3d_lidar=result.boxes3d_lidar[kept],
            boxes3d=result.boxes3d[kept],
            boxes=result.boxes[kept],
            alpha=result.alpha[kept],
            labels=result.labels[kept],
            scores=result.scores[kept],
        )

    def draw(self, result: LidarResult, setting: float) -> "Image":
        """The sweep from above, with the boxes."""
        return result.plot(threshold=setting)

    def rows(self, result: LidarResult, setting: float) -> list[list[Cell]]:
        """Name, score, distance and sizes in metres of each object, highest score first."""
        found = self.chosen(result, setting)
        distance = found.boxes3d_lidar[:, :2].norm(dim=1).tolist()
        sizes = found.boxes3d_lidar[:, [LENGTH, HEIGHT, WIDTH]].tolist()
        lines = zip(found.label_names, found.scores.tolist(), distance, sizes, strict=True)
        return [
            [name, round(score, 3), round(far, 1), *(round(side, 2) for side in size)]
            for name, score, far, size in lines
        ]
