"""Detections matched with objects by KITTI's rules, at all thresholds of the score at once.

In an image, each object in turn takes one of the detections that are still free. The n-th objects
of all images are handled together.

Letters: D detections, G objects, P pairs, C candidates of an object, T thresholds, N objects of
one round.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vision.metrics.kitti.levels import ABSENT, COUNTS


class Candidates(NamedTuple):
    """What may be matched, in the evaluation of one class.

    Attributes:
        objects: int64 `(P,)`, ascending: place of an object; each overlaps by more than the least.
        found: int64 `(P,)`, ascending for each object: place of a detection.
        overlap: float64 `(P,)`.
        image: int64 `(G,)`, ascending: image of each object.
        object_status: int8 `(G,)`.
        found_status: int8 `(D,)`.
        scores: float64 `(D,)`.
    """

    objects: np.ndarray
    found: np.ndarray
    overlap: np.ndarray
    image: np.ndarray
    object_status: np.ndarray
    found_status: np.ndarray
    scores: np.ndarray

    def chosen(self, min_overlap: float) -> "Candidates":
        """Those that overlap by more and are not absent."""
        kept = (
            (self.overlap > min_overlap)
            & (self.object_status[self.objects] != ABSENT)
            & (self.found_status[self.found] != ABSENT)
        )
        return self._replace(
            objects=self.objects[kept], found=self.found[kept], overlap=self.overlap[kept]
        )


class Matches(NamedTuple):
    """Matches at T thresholds.

    Attributes:
        objects: int64 `(M,)`, place of an object that counts and is found.
        found: int64 `(M,)`, place of its detection, which counts.
        threshold: int64 `(M,)`, index of the threshold.
        used: int64 `(T,)`, how many detections that count, and were asked about, are taken.
    """

    objects: np.ndarray
    found: np.ndarray
    threshold: np.ndarray
    used: np.ndarray


class _Round(NamedTuple):
    """The next object of each image.

    Attributes:
        objects: int64 `(N,)`, place of each object.
        found: int64 `(N, C)`, place of each candidate; D where there are fewer.
        overlap: float64 `(N, C)`.
    """

    objects: np.ndarray
    found: np.ndarray
    overlap: np.ndarray


def scores_of_matches(candidates: Candidates) -> np.ndarray:
    """Scores of the detections that are matched if each object takes the highest score.

    Returns:
        float64 `(M,)`, of pairs in which both count.
    """
    count = len(candidates.scores)
    scores = np.append(candidates.scores, -np.inf)
    taken = np.zeros(count + 1, dtype=bool)
    taken[count] = True  # in the place of those that there are not
    found: list[np.ndarray] = []
    for one in _rounds(candidates):
        free = ~taken[one.found]
        best = np.where(free, scores[one.found], -np.inf).argmax(axis=1)
        rows = np.flatnonzero(free.any(axis=1))
        chosen = one.found[rows, best[rows]]
        taken[chosen] = True
        count_both = (candidates.object_status[one.objects[rows]] == COUNTS) & (
            candidates.found_status[chosen] == COUNTS
        )
        found.append(candidates.scores[chosen[count_both]])
    return np.concatenate(found) if found else np.zeros(0)


def match(candidates: Candidates, thresholds: np.ndarray, asked: np.ndarray) -> Matches:
    """Match at each threshold: an object takes the largest overlap among what counts.

    Where none counts an object may take a neutral detection. That changes no number, since a
    neutral one is neither true nor false, and is left out.

    Args:
        candidates: What may be matched.
        thresholds: float64 `(T,)`; detections of lower scores are absent.
        asked: bool `(D,)`, which detections are in the number of those that are used.
    """
    counting = candidates.found_status[candidates.found] == COUNTS
    # Only detections that are candidates have a row.
    places, rows_of = np.unique(candidates.found[counting], return_inverse=True)
    own = candidates._replace(
        objects=candidates.objects[counting],
        found=rows_of,
        overlap=candidates.overlap[counting],
        scores=candidates.scores[places],
    )
    present = np.append(own.scores, -np.inf)[:, None] >= thresholds  # (D + 1, T)
    free = present.copy()
    matched: list[np.ndarray] = []
    for one in _rounds(own):
        open_ = free[one.found]  # (N, C, T)
        largest = np.where(open_, one.overlap[..., None], -np.inf).argmax(axis=1)
        chosen = np.take_along_axis(one.found, largest, axis=1)
        rows, columns = np.nonzero(open_.any(axis=1))
        chosen = chosen[rows, columns]
        free[chosen, columns] = False
        objects = one.objects[rows]
        true = own.object_status[objects] == COUNTS
        matched.append(np.stack([objects, places[chosen], columns])[:, true])
    used = (present & ~free)[:-1] & asked[places, None]
    pairs = np.concatenate(matched, axis=1) if matched else np.zeros((3, 0), dtype=np.int64)
    return Matches(pairs[0], pairs[1], pairs[2], used.sum(axis=0))


def _rounds(candidates: Candidates) -> Iterator[_Round]:
    """The first object of each image that has candidates, then the second, and so on."""
    objects, begins, counts = np.unique(candidates.objects, return_index=True, return_counts=True)
    image = candidates.image[objects]
    _, first, place = np.unique(image, return_index=True, return_inverse=True)
    rank = np.arange(len(objects)) - first[place]
    nothing = len(candidates.scores)
    for turn in range(rank.max(initial=-1) + 1):
        rows = np.flatnonzero(rank == turn)
        column = np.arange(counts[rows].max())
        filled = column < counts[rows, None]
        pair = np.where(filled, begins[rows, None] + column, 0)
        found = np.where(filled, candidates.found[pair], nothing)
        yield _Round(objects[rows], found, candidates.overlap[pair])
