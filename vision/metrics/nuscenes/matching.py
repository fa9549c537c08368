"""Which detection finds which object, by the distance of their centres on the ground.

Letters: D detections, G objects, P pairs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Pairs whose distances are computed at once.
MAX_PAIRS = 2**20


class Pairs(NamedTuple):
    """Detections and objects of the same key frame that are near each other.

    They are in the order in which they are matched: by detection, and those of one detection by
    distance, then by object.

    Attributes:
        found: int64 `(P,)`, the detection.
        objects: int64 `(P,)`, the object.
        distances: float64 `(P,)` in metres.
    """

    found: np.ndarray
    objects: np.ndarray
    distances: np.ndarray


def by_score(scores: np.ndarray) -> np.ndarray:
    """Detections from the highest score to the lowest; of equal ones the last comes first."""
    return np.argsort(scores, kind="stable")[::-1]


def near_pairs(
    found: np.ndarray,
    found_samples: np.ndarray,
    objects: np.ndarray,
    object_samples: np.ndarray,
    maximum: float,
) -> Pairs:
    """All pairs of the same key frame that are nearer than a distance.

    Args:
        found: float64 `(D, 2)`, centres of detections by falling score.
        found_samples: int64 `(D,)`, their key frames.
        objects: float64 `(G, 2)`, centres of objects.
        object_samples: int64 `(G,)`, their key frames.
        maximum: In metres; pairs of this distance are left out.
    """
    order = np.argsort(object_samples, kind="stable")
    ascending = object_samples[order]
    begins = np.searchsorted(ascending, found_samples)
    numbers = np.searchsorted(ascending, found_samples, side="right") - begins
    parts = [Pairs(*(np.zeros(0, dtype) for dtype in (np.int64, np.int64, np.float64)))]
    for own in _blocks(numbers):
        repeated = np.repeat(own, numbers[own])
        step = np.arange(len(repeated)) - np.repeat(
            np.cumsum(numbers[own]) - numbers[own], numbers[own]
        )
        partners = order[begins[repeated] + step]
        distances = np.linalg.norm(found[repeated] - objects[partners], axis=1)
        near = distances < maximum
        parts.append(Pairs(repeated[near], partners[near], distances[near]))
    joined = Pairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    ordered = np.lexsort((joined.objects, joined.distances, joined.found))
    return Pairs(*(column[ordered] for column in joined))


def match(pairs: Pairs, maximum: float, detections: int) -> np.ndarray:
    """Give each detection the nearest object that no earlier one has.

    Args:
        pairs: As of `near_pairs`, up to this distance or a larger one.
        maximum: In metres; an object of this distance is not found.
        detections: Their number D.

    Returns:
        int64 `(D,)`, the object; -1 for none.
    """
    matched = np.full(detections, -1, dtype=np.int64)
    near = pairs.distances < maximum
    taken: set[int] = set()
    last = -1
    for one, partner in zip(pairs.found[near].tolist(), pairs.objects[near].tolist(), strict=True):
        if one != last and partner not in taken:
            matched[one] = partner
            taken.add(partner)
            last = one
    return matched


def _blocks(numbers: np.ndarray) -> Iterator[np.ndarray]:
    """Detections that have partners, in blocks of about `MAX_PAIRS` pairs."""
    having = np.flatnonzero(numbers)
    if not len(having):
        return
    ends = np.cumsum(numbers[having]) // MAX_PAIRS
    yield from np.split(having, np.flatnonzero(np.diff(ends)) + 1)
