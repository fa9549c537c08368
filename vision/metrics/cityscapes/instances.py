"""The masks of detections in an image, compared with Cityscapes' instance ids.

Letters: P detections, G objects and groups, R pairs of the two that share pixels.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from vision.annotations.cityscapes_ids import labels_of
from vision.documents.class_table import class_table

_TABLE = class_table("cityscapes")
# Name and label id of the classes that are evaluated: those of single objects.
CLASSES = {_TABLE.labels[value]: value for value in _TABLE.values[11:]}
# Label id by name, of classes that are not evaluated too.
LABEL_IDS = {name: value for value, name in enumerate(_TABLE.labels)}
# Values that do not count: what a detection covers of them is no mistake.
VOID = tuple(value for value in LABEL_IDS.values() if value not in _TABLE.values)


class Detection(NamedTuple):
    """A detection.

    Attributes:
        label: Its label id, such as 26 for a car.
        score: Its score.
        mask: bool `(H, W)`.
    """

    label: int
    score: float
    mask: np.ndarray


class ImageInstances(NamedTuple):
    """An image.

    Attributes:
        objects: int64 `(G,)`, values in the file, of classes that are evaluated.
        object_pixels: int64 `(G,)`.
        labels: int64 `(P,)`, label ids of the detections, of classes that are evaluated.
        scores: float64 `(P,)`.
        pixels: int64 `(P,)`, from 1 on.
        void: int64 `(P,)`, pixels where the annotations are void.
        pairs: int64 `(R, 2)`, index of a detection and of an object or group of its class.
        shared: int64 `(R,)`, pixels of both.
    """

    objects: np.ndarray
    object_pixels: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    pixels: np.ndarray
    void: np.ndarray
    pairs: np.ndarray
    shared: np.ndarray


def compare_image(ids: np.ndarray, detections: Iterable[Detection]) -> ImageInstances:
    """Count the pixels that detections share with objects.

    Args:
        ids: `(H, W)`, the values of the file, from 0 on.
        detections: Those of the image. Those of classes that are not evaluated and those without a
            pixel are left out.
    """
    counts = np.bincount(ids.ravel())
    present = np.flatnonzero(counts)
    label_of = labels_of(present)
    # Few values are in an image: their places fit into small counts.
    places = np.zeros(len(counts), dtype=np.uint16)
    places[present] = np.arange(len(present))
    places = places[ids]
    is_void = np.isin(present, VOID)
    things = np.flatnonzero(np.isin(label_of, [*CLASSES.values()]))
    rows: list[tuple[int, float, int, int]] = []
    pairs: list[tuple[int, int]] = []
    shared: list[int] = []
    for one in detections:
        if one.label not in CLASSES.values():
            continue
        inside = np.bincount(_inside(places, one.mask), minlength=len(present))
        if not inside.any():
            continue
        same = np.flatnonzero((label_of[things] == one.label) & (inside[things] > 0))
        pairs += [(len(rows), number) for number in same.tolist()]
        shared += inside[things[same]].tolist()
        rows.append((one.label, one.score, int(inside.sum()), int(inside[is_void].sum())))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    labels, pixels, void = table[:, [0, 2, 3]].astype(np.int64).T
    return ImageInstances(
        objects=present[things],
        object_pixels=counts[present[things]],
        labels=labels,
        scores=table[:, 1],
        pixels=pixels,
        void=void,
        pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2),
        shared=np.array(shared, dtype=np.int64),
    )


def _inside(places: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The values under a mask, which is small against its image."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return places[:0, 0]
    window = slice(rows[0], rows[-1] + 1)
    columns = np.flatnonzero(mask[window].any(axis=0))
    across = slice(columns[0], columns[-1] + 1)
    return places[window, across][mask[window, across]]
