"""Average precision of instances as Cityscapes' scripts define it.

"The Cityscapes Dataset for Semantic Urban Scene Understanding", Cordts et al., 2016, arXiv
1604.01685, section 4.2, and the scripts of its authors, `evalInstanceLevelSemanticLabeling.py`, by
which numbers are published. At each of ten overlaps from 0.5 to 0.95

- a single object of at least 100 pixels is found by a detection of its class whose IoU is larger,
  of several by that of the highest score; the others are wrong;
- a detection that overlaps nothing so is wrong, unless more than that share of it lies in void, in
  groups of its class, or in its smaller objects;
- precision at each score is summed over the steps of the recall, those before and after it in half;
  the curve begins at a recall of 0 with a precision of 1, as on the evaluation server.

Where a class has objects and every detection of it is ignored, the scripts (2.3.0) end with an
IndexError; here its average precision is 0.

Letters: K classes, T overlaps, P detections, G objects, R pairs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision.annotations.cityscapes_ids import OBJECTS, labels_of
from vision.metrics.cityscapes.instances import CLASSES, ImageInstances
from vision.metrics.cityscapes.table import CityscapesResult, CityscapesRow

# As the scripts count them: the third is 0.6000000000000001.
OVERLAPS = np.arange(0.5, 1.0, 0.05)
# Smaller objects are neither missed nor found.
MIN_PIXELS = 100


class _Class(NamedTuple):
    """Detections and objects of a class in all images.

    Attributes:
        scores: float64 `(P,)`.
        ignored: float64 `(P,)`, share in void, groups and small objects.
        counts: bool `(G,)`, whether an object is single and large enough.
        pairs: int64 `(R, 2)`, index of a detection and of an object.
        overlaps: float64 `(R,)`, their IoU.
    """

    scores: np.ndarray
    ignored: np.ndarray
    counts: np.ndarray
    pairs: np.ndarray
    overlaps: np.ndarray


def evaluate_instances(images: Sequence[ImageInstances]) -> CityscapesResult:
    """Compute average precision over images.

    Args:
        images: As `compare_image` counts them.

    Returns:
        The result; average precision of a class without objects is NaN.
    """
    whole = _join(images)
    rows = []
    for name, label in CLASSES.items():
        own = _of_class(whole, label)
        rows.append(
            CityscapesRow(
                name=name,
                objects=int(own.counts.sum()),
                ignored=int((~own.counts).sum()),
                predictions=len(own.scores),
                ap=tuple(_average_precision(own, overlap) for overlap in OVERLAPS.tolist()),
            )
        )
    return CityscapesResult(rows=tuple(rows), images=len(images))


def _join(images: Sequence[ImageInstances]) -> ImageInstances:
    """All images as one, whose detections and objects are numbered on."""
    starts = np.cumsum([[0, 0], *([len(one.scores), len(one.objects)] for one in images)], axis=0)
    nothing = ImageInstances(*(np.zeros(0, dtype=np.int64) for _ in ImageInstances._fields))
    nothing = nothing._replace(pairs=np.zeros((0, 2), dtype=np.int64))
    numbered = [
        one._replace(pairs=one.pairs + start) for one, start in zip(images, starts, strict=False)
    ]
    return ImageInstances(*map(np.concatenate, zip(*(nothing, *numbered), strict=True)))


def _of_class(images: ImageInstances, label: int) -> _Class:
    found = images.labels == label
    objects = labels_of(images.objects) == label
    chosen = found[images.pairs[:, 0]]  # pairs are of one class
    pairs = np.stack(
        [
            (np.cumsum(found) - 1)[images.pairs[chosen, 0]],
            (np.cumsum(objects) - 1)[images.pairs[chosen, 1]],
        ],
        axis=1,
    )
    shared, pixels = images.shared[chosen], images.pixels[found]
    object_pixels = images.object_pixels[objects]
    group = images.objects[objects] < OBJECTS
    small = object_pixels < MIN_PIXELS
    union = object_pixels[pairs[:, 1]] + pixels[pairs[:, 0]] - shared
    # As in the scripts, a small group counts for both of its properties.
    times = group[pairs[:, 1]].astype(np.int64) + small[pairs[:, 1]]
    ignored = np.bincount(pairs[:, 0], weights=shared * times, minlength=len(pixels))
    return _Class(
        scores=images.scores[found],
        ignored=(images.void[found] + ignored) / pixels,
        counts=~group & ~small,
        pairs=pairs,
        overlaps=shared / union,
    )


def _average_precision(own: _Class, overlap: float) -> float:
    """Average precision at one overlap; NaN without objects."""
    total = int(own.counts.sum())
    if not total:
        return float("nan")
    hits = own.overlaps > overlap
    found, objects = own.pairs[hits].T
    matched = np.zeros(len(own.scores), dtype=bool)
    matched[found] = True
    found, objects = found[own.counts[objects]], objects[own.counts[objects]]
    # Of each object the detection of the highest score comes first.
    order = np.lexsort((-own.scores[found], objects))
    right = np.ones(len(order), dtype=bool)
    right[1:] = np.diff(objects[order]) > 0
    wrong = np.flatnonzero(~matched & (own.ignored <= overlap))
    scores = own.scores[np.concatenate([found[order], wrong])]
    return step_area(scores, np.concatenate([right, np.zeros(len(wrong), dtype=bool)]), total)


def step_area(scores: np.ndarray, right: np.ndarray, total: int) -> float:
    """The area under precision over recall, as the scripts sum it; 0 without detections.

    Args:
        scores: float64 `(P,)`.
        right: bool `(P,)`.
        total: Number of objects, from 1 on.
    """
    if not len(scores):
        return 0.0
    order = np.argsort(scores)
    _, first = np.unique(scores[order], return_index=True)  # of each score, ascending
    below = np.concatenate([[0], np.cumsum(right[order])])[first]
    hits = right.sum() - below
    precision = hits / (len(scores) - first)
    recall = hits / total
    precision = np.concatenate([precision, [1.0]])
    steps = np.concatenate([recall[:1], recall, [0.0, 0.0]])
    return float(np.dot(precision, (steps[:-2] - steps[2:]) / 2))
