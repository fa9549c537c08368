"""Precision and orientation similarity over recall, by KITTI's rules.

Letters: D detections, G objects, T thresholds.
"""

from typing import NamedTuple

import numpy as np

from vision.metrics.kitti.levels import COUNTS
from vision.metrics.kitti.matching import Candidates, match, scores_of_matches

# Recalls 0, 1/40, ..., 1 at which precision is sampled.
RECALLS = 41


class Curve(NamedTuple):
    """Precision and orientation similarity, each the best at this recall or any higher.

    Attributes:
        precision: float64 `(41,)`; 0 at recalls that are not reached.
        orientation: float64 `(41,)`; at most the precision.
    """

    precision: np.ndarray
    orientation: np.ndarray


def compute_curve(
    candidates: Candidates,
    object_alpha: np.ndarray,
    found_alpha: np.ndarray,
    covered: np.ndarray,
) -> Curve:
    """The curve of one class at one difficulty and one overlap.

    Args:
        candidates: What may be matched.
        object_alpha: float64 `(G,)`, angle at which each object is observed, in radians.
        found_alpha: float64 `(D,)`, likewise of each detection.
        covered: bool `(D,)`, detections in regions that are not annotated: if they match nothing,
            they are not false.
    """
    objects = int((candidates.object_status == COUNTS).sum())
    thresholds = sample_thresholds(scores_of_matches(candidates), objects)
    open_ = ~covered
    matches = match(candidates, thresholds, open_)
    true = np.bincount(matches.threshold, minlength=len(thresholds))
    turn = object_alpha[matches.objects] - found_alpha[matches.found]
    similarity = np.bincount(
        matches.threshold, weights=(1 + np.cos(turn)) / 2, minlength=len(thresholds)
    )
    scores = np.sort(candidates.scores[(candidates.found_status == COUNTS) & open_])
    false = len(scores) - np.searchsorted(scores, thresholds) - matches.used
    return Curve(_best_after(true, true + false), _best_after(similarity, true + false))


def sample_thresholds(scores: np.ndarray, objects: int) -> np.ndarray:
    """The scores at which recall is nearest to 0, 1/40, ..., 1.

    Args:
        scores: float64 `(M,)` of matched detections.
        objects: How many objects count, M at least.

    Returns:
        float64 `(T,)`, falling; T is 41 at most.
    """
    chosen: list[float] = []
    recall = 0.0
    falling = np.sort(scores)[::-1].tolist()
    for rank, score in enumerate(falling, start=1):
        here, after = rank / objects, (rank + 1) / objects
        if rank < len(falling) and after - recall < recall - here:
            continue  # the next one is nearer
        chosen.append(score)
        recall += 1 / (RECALLS - 1)
    return np.array(chosen[:RECALLS])


def _best_after(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    curve = np.zeros(RECALLS)
    np.divide(part, whole, out=curve[: len(part)], where=whole > 0)
    return np.maximum.accumulate(curve[::-1])[::-1]
