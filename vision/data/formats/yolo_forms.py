"""Checks of a YOLO dataset's labels as a whole: boxes, corners, polygons or poses."""

from collections.abc import Sequence

import numpy as np

from vision.data.formats.yolo_labels import BOX_NUMBERS, Labels

# Boxes look like corners if this share of them reaches out of their images, and this share of those
# would fit as corners.
XYXY_OUTSIDE, XYXY_INSIDE = 0.2, 0.9
# Objects that all have to look alike, and how far from its box a keypoint may lie.
MIN_ALIKE, POSE_MARGIN = 3, 0.01


class Forms:
    """Statistics of the forms of a split's labels.

    Attributes:
        polygons: Outline of each object in [0, 1], or None for a box.
    """

    def __init__(self) -> None:
        self.polygons: list[np.ndarray | None] = []
        self._outside = self._as_corners = 0

    def add(self, labels: Labels) -> None:
        """Add the labels of an image."""
        self.polygons += labels.polygons
        self._outside += labels.outside
        self._as_corners += labels.as_corners

    def corners_problem(self) -> str | None:
        """The problem if boxes look like corners; None if they do not."""
        boxes = sum(polygon is None for polygon in self.polygons)
        if not looks_like_corners(boxes, self._outside, self._as_corners):
            return None
        return (
            f"{self._outside:,} of {boxes:,} boxes reach out of their images, and as x1 y1 x2 y2 "
            "would be inside; a line has to be class cx cy w h."
        )

    def pose_problem(self) -> str | None:
        """The problem if polygons look like poses; None if they do not."""
        if not looks_like_pose(self.polygons):
            return None
        return (
            f"all {len(self.polygons):,} labels look like boxes with keypoints (pose), not like "
            "polygons, but there is no `kpt_shape`: add kpt_shape: [number of keypoints, 2 or 3] "
            "to read the boxes, or kpt_shape: null if they are polygons."
        )


def looks_like_corners(boxes: int, outside: int, as_corners: int) -> bool:
    """Whether many boxes reach out of their images, and most of these would fit as corners.

    Args:
        boxes: Number of boxes.
        outside: Number of those that reach out.
        as_corners: Number of those that would lie in their images as x1, y1, x2, y2.
    """
    return outside >= XYXY_OUTSIDE * boxes and as_corners >= max(MIN_ALIKE, XYXY_INSIDE * outside)


def looks_like_pose(polygons: Sequence[np.ndarray | None]) -> bool:
    """Whether labels read as polygons must be boxes with keypoints.

    All have the same number of values, other than the eight of oriented boxes. The first four are a
    box, as centre and size, that contains the rest, as pairs or, with their visibility, as triples.
    Polygons look so only by chance.

    Args:
        polygons: Outlines `(P, 2)` of the objects in [0, 1]; None for a box.
    """
    outlines = [polygon for polygon in polygons if polygon is not None]
    if len(outlines) < max(MIN_ALIKE, len(polygons)) or len({*map(len, outlines)}) > 1:
        return False
    values = np.stack(outlines).reshape(len(outlines), -1)
    rest = values.shape[1] - BOX_NUMBERS
    if rest == BOX_NUMBERS:
        return False
    return any(rest % step == 0 and _in_boxes(values, step) for step in (2, 3))


def _in_boxes(values: np.ndarray, step: int) -> bool:
    """Whether keypoints of `step` values each are inside the box before them, in every row."""
    x, y = (values[:, BOX_NUMBERS + axis :: step] for axis in (0, 1))
    unseen = (x == 0) & (y == 0)  # written for a keypoint that is not labelled
    inside = [
        np.abs(place - values[:, axis, None]) <= values[:, 2 + axis, None] / 2 + POSE_MARGIN
        for axis, place in ((0, x), (1, y))
    ]
    return bool((unseen | (inside[0] & inside[1])).all())
