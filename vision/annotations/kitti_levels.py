"""The difficulties of KITTI's object benchmark."""

from typing import NamedTuple

import numpy as np


class Level(NamedTuple):
    """A difficulty.

    Attributes:
        name: In tables.
        min_height: Of boxes in pixels.
        max_occlusion: Of objects, as KITTI's labels have it.
        max_truncation: Share of an object that is outside the image.
    """

    name: str
    min_height: float
    max_occlusion: float
    max_truncation: float


LEVELS = (
    Level("easy", 40, 0, 0.15),
    Level("moderate", 25, 1, 0.3),
    Level("hard", 25, 2, 0.5),
)


def harder_than(
    level: Level, boxes: np.ndarray, occlusion: np.ndarray, truncation: np.ndarray
) -> np.ndarray:
    """Which annotated objects are more difficult than a level, bool `(N,)`.

    Args:
        level: The level.
        boxes: `(N, 4)`, `(x1, y1, x2, y2)` in pixels.
        occlusion: `(N,)`, as KITTI's labels have it.
        truncation: `(N,)`, share of each that is outside the image.
    """
    low = boxes[:, 3] - boxes[:, 1] <= level.min_height
    return low | (occlusion > level.max_occlusion) | (truncation > level.max_truncation)


def easiest_level(boxes: np.ndarray, occlusion: np.ndarray, truncation: np.ndarray) -> np.ndarray:
    """Index in `LEVELS` of the easiest level of each object; their number beyond all of them.

    Args:
        boxes: As in `harder_than`; so are the others.
        occlusion: `(N,)`.
        truncation: `(N,)`.

    Returns:
        int64 `(N,)`.
    """
    harder = [harder_than(level, boxes, occlusion, truncation) for level in LEVELS]
    return np.sum(harder, axis=0)
