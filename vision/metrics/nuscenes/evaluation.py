"""nuScenes' evaluation of detections.

"nuScenes: A Multimodal Dataset for Autonomous Driving", Caesar et al., 2020, arXiv 1903.11027,
section 3.2, with the settings of the detection task of CVPR 2019. Numbers are equal to those of its
development kit.

Letters: D detections, G objects, T matches.
"""

from typing import NamedTuple

import numpy as np

from vision.annotations.nuscenes_names import CLASSES
from vision.metrics.nuscenes.boxes import EvaluatedBoxes
from vision.metrics.nuscenes.matching import Pairs, by_score, match, near_pairs
from vision.metrics.nuscenes.table import DISTANCES_M, ERRORS, NuScenesScores
from vision.ops.angles import wrapped

# The distance whose matches give the errors.
ERROR_DISTANCE_M = 2.0
# Recalls and precisions up to these do not count.
MIN_RECALL, MIN_PRECISION = 0.1, 0.1
RECALLS = 101  # 0, 0.01, ..., 1
# The first recall that counts: the one at the minimum does not.
_FIRST = round((RECALLS - 1) * MIN_RECALL) + 1
# Boxes whose front and rear cannot be told apart.
_HALF_TURN = ("barrier",)
# Errors that a class does not have.
_WITHOUT = {"traffic_cone": ("AOE", "AVE", "AAE"), "barrier": ("AVE", "AAE")}


class Curve(NamedTuple):
    """What a class is found by at one distance, at 101 recalls.

    Attributes:
        precision: float64 `(101,)`; 0 at recalls that are not reached.
        scores: float64 `(101,)`, the score down to which detections are taken; 0 likewise.
    """

    precision: np.ndarray
    scores: np.ndarray


def evaluate_boxes(objects: EvaluatedBoxes, found: EvaluatedBoxes, samples: int) -> NuScenesScores:
    """Compare detections with annotated objects; both are those that count.

    Args:
        objects: The annotated objects.
        found: The detections.
        samples: Number of key frames.
    """
    ap = np.zeros((len(CLASSES), len(DISTANCES_M)))
    errors = np.ones((len(CLASSES), len(ERRORS)))
    precision = np.zeros((len(CLASSES), len(DISTANCES_M), RECALLS))
    numbers = np.bincount(objects.labels, minlength=len(CLASSES))
    for label, name in enumerate(CLASSES):
        own = objects.select(objects.labels == label)
        theirs = found.select(found.labels == label)
        theirs = theirs.select(by_score(theirs.scores))
        for k, curve, matched in _curves(own, theirs):
            precision[label, k] = curve.precision
            ap[label, k] = average_precision(curve.precision)
            if DISTANCES_M[k] == ERROR_DISTANCE_M:
                errors[label] = _errors(own, theirs, matched, curve, name)
        for error in _WITHOUT.get(name, ()):
            errors[label, ERRORS.index(error)] = np.nan
    return NuScenesScores(ap, errors, precision, numbers, samples)


def average_precision(precision: np.ndarray) -> float:
    """Mean precision above the minimum over the recalls above the minimum, in [0, 1].

    Args:
        precision: float64 `(101,)` at recalls 0, 0.01, ..., 1.
    """
    above = (precision[_FIRST:] - MIN_PRECISION).clip(0)
    return float(above.mean()) / (1 - MIN_PRECISION)


def _curves(own: EvaluatedBoxes, theirs: EvaluatedBoxes) -> list[tuple[int, Curve, np.ndarray]]:
    """Place in `DISTANCES_M`, curve and matches for each distance at which anything is found."""
    pairs: Pairs = near_pairs(
        theirs.centres[:, :2], theirs.samples, own.centres[:, :2], own.samples, max(DISTANCES_M)
    )
    curves = []
    for k, distance in enumerate(DISTANCES_M):
        matched = match(pairs, distance, len(theirs.samples))
        if (matched >= 0).any():
            curves.append((k, _curve(matched >= 0, theirs.scores, len(own.samples)), matched))
    return curves


def _curve(true: np.ndarray, scores: np.ndarray, objects: int) -> Curve:
    hits = np.cumsum(true).astype(np.float64)
    recall = hits / objects
    at = np.linspace(0, 1, RECALLS)
    precision = np.interp(at, recall, hits / np.arange(1, len(true) + 1), right=0)
    return Curve(precision, np.interp(at, recall, scores, right=0))


def _errors(
    own: EvaluatedBoxes, theirs: EvaluatedBoxes, matched: np.ndarray, curve: Curve, name: str
) -> np.ndarray:
    """Each error, averaged over the recalls from above the minimum to the highest, `(5,)`."""
    true = np.flatnonzero(matched >= 0)
    period = np.pi if name in _HALF_TURN else 2 * np.pi
    found, objects = theirs.select(true), own.select(matched[true])
    values = {
        "ATE": np.linalg.norm(found.centres[:, :2] - objects.centres[:, :2], axis=1),
        "ASE": 1 - _aligned_overlap(found.sizes, objects.sizes),
        "AOE": np.abs(wrapped(objects.yaws - found.yaws, period)),
        "AVE": np.linalg.norm(found.velocities - objects.velocities, axis=1),
        "AAE": np.where(objects.attributes < 0, np.nan, objects.attributes != found.attributes),
    }
    reached = np.flatnonzero(curve.scores)
    last = reached[-1] if len(reached) else 0
    if last < _FIRST:
        return np.ones(len(ERRORS))
    return np.array(
        [
            _at_scores(curve.scores, found.scores, _running_mean(values[error]))[
                _FIRST : last + 1
            ].mean()
            for error in ERRORS
        ]
    )


def _at_scores(scores: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values that are known at falling scores, at other falling scores."""
    return np.interp(scores[::-1], known[::-1], values[::-1])[::-1]


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Means of the first 1, 2, ... values but for NaN; 1 if all are, 0 before the first other."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    counts = np.cumsum(known)
    return np.nancumsum(values) / np.maximum(counts, 1)


def _aligned_overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes with one centre and direction, `(T,)`."""
    shared = np.minimum(a, b).prod(axis=1)
    return shared / (a.prod(axis=1) + b.prod(axis=1) - shared)
