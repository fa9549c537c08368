"""KITTI's evaluation: the authors' numbers, a plain re-implementation, and random scenes."""

import json
import math
import tarfile
from pathlib import Path

import numpy as np
import shapely

from vision.annotations.kitti import CLASSES, KittiObjects
from vision.metrics.kitti.files import evaluate_kitti
from vision.metrics.kitti.table import METRICS

# Percent; all agree to rounding.
TOLERANCE = 1e-4
OFFICIAL = {"2d": "bbox", "aos": "aos", "bev": "bev", "3d": "3d"}
LIMITS = ((40, 0, 0.15), (25, 1, 0.3), (25, 2, 0.5))
SIMILAR = {"Car": "Van", "Pedestrian": "Person_sitting", "Cyclist": ""}


def check_kitti_evaluation(path: Path, folder: Path) -> None:
    """Every AP, count and precision of a file of the authors' evaluation.

    Args:
        path: The JSON file, beside the archive of its labels.
        folder: Where the archive is unpacked.
    """
    expected = json.loads(path.read_text())
    with tarfile.open(path.with_name(f"{path.stem}_labels.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    classes = expected["classes"]
    scores = evaluate_kitti(folder / "label_2", folder / "pred", classes=classes)
    assert scores.images == expected["frames"]
    for k, name in enumerate(classes):
        wanted = [expected["valid_gt"][f"{name}/{level}"] for level in range(3)]
        assert scores.objects[k].tolist() == wanted
    for m, metric in enumerate(METRICS):
        for recalls, suffix in (("R11", ""), ("R40", "_R40")):
            # By class, difficulty and set of overlaps.
            ours = 100 * scores.ap[recalls][:, m].transpose(1, 2, 0)
            theirs = expected["AP"][metric + suffix]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)
        curves = scores.curves[:, m].transpose(1, 2, 0, 3)
        theirs = expected["precision_at_41"][OFFICIAL[metric]]
        np.testing.assert_allclose(curves, theirs, rtol=0, atol=1e-9)


def random_objects(rng: np.random.Generator, count: int) -> KittiObjects:
    """Annotated objects of one image, of sizes and places at which neighbours overlap."""
    names = ["Car", "Van", "Pedestrian", "Pedestrian", "Person_sitting", "Cyclist", "Cyclist"]
    names += ["Car", "Misc", "DontCare"]
    corner = np.stack([rng.uniform(0, 120, count), rng.uniform(0, 60, count)], axis=1)
    side = np.stack([rng.uniform(20, 60, count), rng.uniform(20, 90, count)], axis=1)
    return KittiObjects(
        classes=np.array([CLASSES.index(rng.choice(names)) for _ in range(count)], dtype=np.int64),
        truncation=rng.choice([0, 0, 0.1, 0.2, 0.4, 0.6], count).astype(float),
        occlusion=rng.choice([0, 0, 0, 1, 2, 3], count).astype(float),
        alpha=rng.uniform(-3, 3, count),
        boxes=np.concatenate([corner, corner + side], axis=1),
        sizes=rng.uniform(1.5, 3, (count, 3)),
        locations=rng.uniform([-3, 1, 8], [3, 2, 12], (count, 3)),
        rotation=rng.uniform(-3, 3, count),
        scores=np.full(count, np.nan),
    )


def detections_of(rng: np.random.Generator, objects: KittiObjects, copies: int) -> KittiObjects:
    """Detections near objects, some of them twice, of another class, or of an equal score."""
    rows = rng.integers(0, len(objects.classes), copies) if len(objects.classes) else []
    near = KittiObjects(*(column[rows] for column in objects))
    other = rng.random(len(rows)) < 0.2
    noise = rng.normal(size=(len(rows), 12))
    return near._replace(
        classes=np.where(other, CLASSES.index("Car"), near.classes),
        boxes=near.boxes + 2 * noise[:, :4],
        sizes=near.sizes + 0.05 * noise[:, 4:7],
        locations=near.locations + 0.1 * noise[:, 7:10],
        rotation=near.rotation + 0.1 * noise[:, 10],
        alpha=near.alpha + noise[:, 11],
        scores=rng.integers(0, 12, len(rows)) / 12,
    )


def random_scene(seed: int, images: int = 16) -> tuple[list[KittiObjects], list[KittiObjects]]:
    """Objects and detections of some images, some without either."""
    rng = np.random.default_rng(seed)
    truth = [random_objects(rng, int(rng.integers(0, 9))) for _ in range(images)]
    return truth, [detections_of(rng, one, int(rng.integers(0, 16))) for one in truth]


def plain_curve(
    truth: list[KittiObjects],
    found: list[KittiObjects],
    *,
    name: str,
    level: int,
    metric: str,
    least: float,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Precision and orientation at 41 recalls and the number of objects: one loop after another."""
    frames = [_Frame(*pair, name, level, metric, least) for pair in zip(truth, found, strict=True)]
    objects = sum(frame.truth_status.count(0) for frame in frames)
    scores = sorted((s for frame in frames for s in frame.match(None)[0]), reverse=True)
    thresholds, recall = [], 0.0
    for i, score in enumerate(scores):
        if i + 1 < len(scores) and (i + 2) / objects - recall < recall - (i + 1) / objects:
            continue
        thresholds.append(score)
        recall += 1 / 40
    curves = np.zeros((2, 41))
    for i, threshold in enumerate(thresholds):
        results = [frame.match(threshold) for frame in frames]
        true = sum(len(scores) for scores, _, _ in results)
        similarity = sum(sum(values) for _, values, _ in results)
        whole = true + sum(false for _, _, false in results)
        if whole:
            curves[:, i] = true / whole, similarity / whole
    best = [[max(curve[i:]) for i in range(41)] for curve in curves]
    return np.array(best[0]), np.array(best[1]), objects


class _Frame:
    """One image in the evaluation of one class, difficulty, metric and minimum overlap."""

    def __init__(
        self,
        truth: KittiObjects,
        found: KittiObjects,
        name: str,
        level: int,
        metric: str,
        least: float,
    ) -> None:
        self.truth, self.found, self.least = truth, found, least
        self.flat = metric == "2d"
        height, occlusion, truncation = LIMITS[level]
        self.truth_status = []
        for i, index in enumerate(truth.classes):
            harder = (
                truth.boxes[i, 3] - truth.boxes[i, 1] <= height
                or truth.occlusion[i] > occlusion
                or truth.truncation[i] > truncation
            )
            own = CLASSES[index] == name
            neutral = CLASSES[index] == SIMILAR[name] or (own and harder)
            self.truth_status.append(1 if neutral else 0 if own else -1)
        self.found_status = [
            1 if abs(box[3] - box[1]) < height else 0 if CLASSES[index] == name else -1
            for index, box in zip(found.classes, found.boxes, strict=True)
        ]
        self.overlap = [
            [_overlap(truth, i, found, j, metric) for j in range(len(found.classes))]
            for i in range(len(truth.classes))
        ]

    def match(self, threshold: float | None) -> tuple[list[float], list[float], int]:
        """Scores and similarities of what is matched, and the number of false detections."""
        scores, similarities, taken = [], [], set()
        open_ = [
            status >= 0 and (threshold is None or score >= threshold)
            for status, score in zip(self.found_status, self.found.scores, strict=True)
        ]
        for i, status in enumerate(self.truth_status):
            if status < 0:
                continue
            rivals = [
                j
                for j, free in enumerate(open_)
                if free and j not in taken and self.overlap[i][j] > self.least
            ]
            if not rivals:
                continue
            if threshold is None:
                best = max(rivals, key=lambda j: self.found.scores[j])
            else:
                real = [j for j in rivals if self.found_status[j] == 0]
                best = max(real, key=lambda j: self.overlap[i][j]) if real else rivals[0]
            taken.add(best)
            if status == 0 and self.found_status[best] == 0:
                scores.append(self.found.scores[best])
                turn = self.truth.alpha[i] - self.found.alpha[best]
                similarities.append((1 + math.cos(turn)) / 2)
        false = [
            j
            for j, free in enumerate(open_)
            if free and j not in taken and self.found_status[j] == 0 and not self._covered(j)
        ]
        return scores, similarities, len(false)

    def _covered(self, j: int) -> bool:
        x1, y1, x2, y2 = self.found.boxes[j]
        for region, index in zip(self.truth.boxes, self.truth.classes, strict=True):
            if self.flat and CLASSES[index] == "DontCare":
                width = min(x2, region[2]) - max(x1, region[0])
                height = min(y2, region[3]) - max(y1, region[1])
                if max(width, 0) * max(height, 0) / ((x2 - x1) * (y2 - y1)) > self.least:
                    return True
        return False


def _overlap(a: KittiObjects, i: int, b: KittiObjects, j: int, metric: str) -> float:
    if metric == "2d":
        first, second = shapely.box(*a.boxes[i]), shapely.box(*b.boxes[j])
        return first.intersection(second).area / first.union(second).area
    first, second = _ground(a, i), _ground(b, j)
    shared = first.intersection(second).area
    if metric == "bev":
        return shared / (first.area + second.area - shared)
    (low_a, high_a), (low_b, high_b) = (
        (one.locations[k, 1] - one.sizes[k, 0], one.locations[k, 1]) for one, k in ((a, i), (b, j))
    )
    shared *= max(0.0, min(high_a, high_b) - max(low_a, low_b))
    return shared / (a.sizes[i].prod() + b.sizes[j].prod() - shared)


def _ground(objects: KittiObjects, i: int) -> shapely.Polygon:
    _, width, length = objects.sizes[i]
    cos, sin = math.cos(objects.rotation[i]), math.sin(objects.rotation[i])
    x, _, z = objects.locations[i]
    # A turn about y, which points down: z falls where the box looks.
    along = np.array([cos, -sin]) * length / 2
    across = np.array([sin, cos]) * width / 2
    sides = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return shapely.Polygon([[x, z] + s * along + t * across for s, t in sides])
