"""Builder of a `DetectionIndex` from one image after another."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.annotations.outlines import starts_of
from vision.data.files.finding import PathList
from vision.data.index.detection import DetectionIndex
from vision.data.index.segments import Segments


class IndexBuilder:
    """Builds an index from images that are added one by one.

    Images and objects are numbered from 1 in the order in which they come: pycocotools takes the
    number 0 of an object for no match.

    Args:
        folder: The folder that file names are made relative to, if they are in it.
        class_names: Name of each class, by label.
        category_ids: The dataset's own number of each class, by label.
    """

    def __init__(
        self, folder: Path, class_names: Sequence[str], category_ids: Sequence[int]
    ) -> None:
        self.folder = folder
        self.class_names = tuple(class_names)
        self.category_ids = np.array(category_ids, dtype=np.int64)
        self._paths: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._labels: list[np.ndarray] = []
        self._boxes: list[np.ndarray] = []
        self._crowd: list[np.ndarray] = []
        self._polygons: list[np.ndarray | None] = []

    def add(
        self,
        path: str,
        size: tuple[int, int],
        *,
        labels: np.ndarray,
        boxes: np.ndarray,
        crowd: np.ndarray | None = None,
        polygons: Sequence[np.ndarray | None] = (),
    ) -> None:
        """Add an image.

        Args:
            path: Its file.
            size: Height and width in pixels; (0, 0) if they are not known.
            labels: int `(M,)` class index of each object.
            boxes: `(M, 4)`, `(x1, y1, x2, y2)` in pixels.
            crowd: bool `(M,)`; None for no crowd regions.
            polygons: Outline of each object `(P, 2)` in pixels, or None; empty for no outlines.
        """
        folder = f"{self.folder}/"
        self._paths.append(path.removeprefix(folder))
        self._sizes.append(size)
        self._labels.append(labels.astype(np.int32))
        self._boxes.append(boxes.astype(np.float32).reshape(-1, 4))
        self._crowd.append(np.zeros(len(labels), dtype=bool) if crowd is None else crowd)
        self._polygons += polygons or [None] * len(labels)

    @property
    def outlined(self) -> int:
        """Number of objects with an outline."""
        return sum(polygon is not None for polygon in self._polygons)

    def build(self) -> DetectionIndex:
        """The index of all images; it has outlines if every object has one."""
        boxes = np.concatenate([np.zeros((0, 4), dtype=np.float32), *self._boxes])
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        has_masks = 0 < self.outlined == len(boxes)
        segments = Segments.empty(len(boxes))
        if has_masks:
            outlines = [polygon for polygon in self._polygons if polygon is not None]
            areas = np.array([polygon_area(polygon) for polygon in outlines], dtype=np.float32)
            segments = Segments.of([[polygon] for polygon in outlines])
        images = len(self._paths)
        return DetectionIndex(
            folder=self.folder,
            paths=PathList(self._paths),
            image_ids=np.arange(1, images + 1),
            sizes=np.array(self._sizes, dtype=np.int32).reshape(-1, 2),
            starts=starts_of([len(labels) for labels in self._labels]),
            boxes=boxes,
            labels=np.concatenate([np.zeros(0, dtype=np.int32), *self._labels]),
            crowd=np.concatenate([np.zeros(0, dtype=bool), *self._crowd]),
            areas=areas,
            annotation_ids=np.arange(1, len(boxes) + 1),
            segments=segments,
            class_names=self.class_names,
            category_ids=self.category_ids,
            has_masks=has_masks,
        )


def polygon_area(polygon: np.ndarray) -> float:
    """Area of a polygon `(P, 2)` that does not cross itself, in squares of its unit."""
    x, y = (polygon - polygon[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
