"""nuScenes' evaluation as its paper describes it, one loop after another."""

import math

import numpy as np

from vision.annotations.nuscenes_names import CLASSES
from vision.metrics.nuscenes.boxes import EvaluatedBoxes

Found = tuple[float, bool, int, int]


def scores_by_loops(
    objects: EvaluatedBoxes, found: EvaluatedBoxes
) -> tuple[np.ndarray, np.ndarray]:
    """AP `(10, 4)` at 0.5, 1, 2, 4 m and errors `(10, 5)`, NaN where a class has none."""
    ap, errors = np.zeros((10, 4)), np.ones((10, 5))
    for label, name in enumerate(CLASSES):
        for k, distance in enumerate((0.5, 1, 2, 4)):
            ranked = _ranked(objects, found, label, distance)
            total = int((objects.labels == label).sum())
            if not any(true for _, true, _, _ in ranked):
                continue
            ap[label, k] = _precision(ranked, total)
            if distance == 2:
                errors[label] = _errors(objects, found, ranked, total, name)
        if name in ("barrier", "traffic_cone"):
            errors[label, 3:] = np.nan
        if name == "traffic_cone":
            errors[label, 2] = np.nan
    return ap, errors


def _ranked(
    objects: EvaluatedBoxes, found: EvaluatedBoxes, label: int, distance: float
) -> list[Found]:
    """Score, whether it is true, its place and its object of each detection."""
    places = [i for i, each in enumerate(found.labels) if each == label]
    places.sort(key=lambda i: (found.scores[i], i), reverse=True)
    taken: set[int] = set()
    ranked = []
    for i in places:
        rivals = [
            (math.dist(found.centres[i, :2], objects.centres[j, :2]), j)
            for j in range(len(objects.labels))
            if objects.labels[j] == label
            and objects.samples[j] == found.samples[i]
            and j not in taken
        ]
        nearest, j = min(rivals, default=(math.inf, -1))
        if nearest < distance:
            taken.add(j)
        ranked.append((float(found.scores[i]), nearest < distance, i, j))
    return ranked


def _precision(ranked: list[Found], total: int) -> float:
    recalls, precisions, true = [], [], 0
    for rank, (_, hit, _, _) in enumerate(ranked, start=1):
        true += hit
        recalls.append(true / total)
        precisions.append(true / rank)
    counted = [
        max(0.0, float(np.interp(k / 100, recalls, precisions, right=0)) - 0.1)
        for k in range(11, 101)
    ]
    return sum(counted) / 90 / 0.9


def _errors(
    objects: EvaluatedBoxes, found: EvaluatedBoxes, ranked: list[Found], total: int, name: str
) -> list[float]:
    true = np.cumsum([hit for _, hit, _, _ in ranked])
    scores = [score for score, _, _, _ in ranked]
    at = [float(np.interp(k / 100, true / total, scores, right=0)) for k in range(101)]
    used = [score for score in at[11 : max(k for k in range(101) if at[k]) + 1]]
    if not used:
        return [1.0] * 5
    hits = [(score, _of_match(objects, j, found, i, name)) for score, hit, i, j in ranked if hit]
    means = []
    for error in range(5):
        running, known = [], []
        for _, values in hits:
            known += [] if math.isnan(values[error]) else [values[error]]
            running.append(sum(known) / len(known) if known else 0.0)
        if not known:
            running = [1.0] * len(hits)
        falling = [score for score, _ in hits]
        values = np.interp(used, falling[::-1], running[::-1])
        means.append(float(np.mean(values)))
    return means


def _of_match(
    objects: EvaluatedBoxes, j: int, found: EvaluatedBoxes, i: int, name: str
) -> list[float]:
    shared = math.prod(map(min, objects.sizes[j], found.sizes[i]))
    either = math.prod(objects.sizes[j]) + math.prod(found.sizes[i]) - shared
    period = math.pi if name == "barrier" else 2 * math.pi
    turn = (objects.yaws[j] - found.yaws[i]) % period
    attribute = float(objects.attributes[j] != found.attributes[i])
    return [
        math.dist(objects.centres[j, :2], found.centres[i, :2]),
        1 - shared / either,
        min(turn, period - turn),
        math.dist(objects.velocities[j], found.velocities[i]),
        math.nan if objects.attributes[j] < 0 else attribute,
    ]
