"""Average precision by Pascal VOC's rules, as its development kit defines it.

"The PASCAL Visual Object Classes (VOC) Challenge", Everingham et al., 2010, section 4.2, and
`VOCevaldet.m` and `VOCap.m` of the development kits. Detections of a class go by falling score.
Each belongs to the object of its image that it overlaps most, if the IoU is at least 0.5: the first
one is right, further ones of the same object are wrong. Those of objects marked as difficult are
neither, and these are not missed.

The kit's boxes include their last pixel, so that it adds 1 to each side; here `(x - 1, y - 1)` is
the first corner of the same box and nothing is added.

Letters: D detections and G objects of a class.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.metrics.coco.files import Json, read_json, read_truth
from vision.metrics.coco.results import read_results
from vision.metrics.voc.table import VocResult, VocRow

MIN_OVERLAP = 0.5
# As in the Python ports of the kit, in which the fourth is 0.30000000000000004.
ELEVEN_RECALLS = np.arange(0.0, 1.1, 0.1)


def evaluate_voc(
    ground_truth: Mapping[str, Any] | Path | str,
    results: Sequence[Mapping[str, Any]] | Path | str,
    *,
    image_ids: Collection[int] | None = None,
    where: str | None = None,
) -> VocResult:
    """Compare boxes with ground truth.

    Args:
        ground_truth: Annotations in COCO's format, or their file; difficult objects are those with
            `iscrowd: 1`, as `vision.data.VOC` marks them.
        results: List of `{"image_id", "category_id", "score", "bbox": [x, y, width, height]}`, or
            its file.
        image_ids: Images to evaluate; None for all.
        where: What messages call the results; None for their file.

    Raises:
        DataError: A file breaks its format, or results do not fit the ground truth.
    """
    if where is None:
        where = f"'{results}'" if isinstance(results, Path | str) else "the results"
    rows = read_json(results) if isinstance(results, Path | str) else results
    truth = read_truth(ground_truth, image_ids=image_ids)
    found = read_results(rows, truth, where=where, masks=False)
    objects = _by_category(truth.contents["annotations"])
    answers = _by_category(found)
    return VocResult(
        rows=tuple(
            _row(category["name"], objects[category["id"]], answers[category["id"]])
            for category in truth.contents["categories"]
        ),
        images=len(truth.image_ids),
    )


def match_boxes(
    boxes: np.ndarray, difficult: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The object that each detection of an image belongs to.

    Args:
        boxes: float64 `(G, 4)`, the objects of the class: x, y, width, height in pixels.
        difficult: bool `(G,)`.
        found: float64 `(D, 4)`, likewise.

    Returns:
        Index of the object, int64 `(D,)`, or -1 if none overlaps enough; and whether it is
        difficult, bool `(D,)`.
    """
    if not len(boxes):
        return np.full(len(found), -1), np.zeros(len(found), dtype=bool)
    ends, found_ends = boxes[:, :2] + boxes[:, 2:], found[:, :2] + found[:, 2:]
    sides = np.minimum(found_ends[:, None], ends) - np.maximum(found[:, None, :2], boxes[:, :2])
    shared = sides.clip(min=0).prod(axis=2)
    union = found[:, 2:].prod(axis=1)[:, None] + boxes[:, 2:].prod(axis=1) - shared
    overlaps = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    best = overlaps.argmax(axis=1)
    enough = overlaps[np.arange(len(found)), best] >= MIN_OVERLAP
    return np.where(enough, best, -1), enough & difficult[best]


def precision_curve(right: np.ndarray, counted: np.ndarray, total: int) -> np.ndarray:
    """Recall and precision after each detection.

    Args:
        right: bool `(D,)`, by falling score.
        counted: bool `(D,)`, those that are right or wrong.
        total: Number of objects that are not difficult.

    Returns:
        float64 `(2, D)`; the precision is 0 before the first that counts.
    """
    hits, seen = np.cumsum(right), np.cumsum(counted)
    return np.stack([hits / total, hits / np.maximum(seen, 1)])


def eleven_point_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """AP of 2007: the mean of the largest precision at a recall of 0, 0.1, ... or more."""
    best = [precision[recall >= level].max(initial=0) for level in ELEVEN_RECALLS]
    return float(np.sum(np.array(best) / len(best)))


def area_ap(recall: np.ndarray, precision: np.ndarray) -> float:
    """AP of 2010 and later: the area under the largest precision at each recall or more."""
    steps = np.concatenate([[0.0], recall, [1.0]])
    heights = np.concatenate([[0.0], precision, [0.0]])
    heights = np.maximum.accumulate(heights[::-1])[::-1]
    return float(np.sum(np.diff(steps) * heights[1:]))


def _by_category(entries: Sequence[Json]) -> dict[int, list[Json]]:
    grouped: dict[int, list[Json]] = defaultdict(list)
    for one in entries:
        grouped[one["category_id"]].append(one)
    return grouped


def _row(name: str, objects: Sequence[Json], answers: Sequence[Json]) -> VocRow:
    difficult = np.array([one["iscrowd"] for one in objects], dtype=bool)
    total = int((~difficult).sum())
    ap = (float("nan"), float("nan"))
    if total:
        curve = precision_curve(*_judge(objects, difficult, answers), total)
        ap = eleven_point_ap(*curve), area_ap(*curve)
    return VocRow(name, total, int(difficult.sum()), len(answers), *ap)


def _judge(
    objects: Sequence[Json], difficult: np.ndarray, answers: Sequence[Json]
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each detection is right, and whether it counts, by falling score."""
    order = np.argsort([-one["score"] for one in answers], kind="stable")
    boxes = np.array([one["bbox"] for one in objects], dtype=np.float64).reshape(-1, 4)
    found = np.array([one["bbox"] for one in answers], dtype=np.float64).reshape(-1, 4)[order]
    places, own = _by_image(objects), _by_image([answers[i] for i in order.tolist()])
    owners, ignored = np.full(len(found), -1), np.zeros(len(found), dtype=bool)
    for image, rows in own.items():
        here = places.get(image, np.zeros(0, dtype=np.int64))
        best, mild = match_boxes(boxes[here], difficult[here], found[rows])
        owners[rows[best >= 0]] = here[best[best >= 0]]
        ignored[rows] = mild
    right = np.zeros(len(found), dtype=bool)
    right[np.unique(owners, return_index=True)[1]] = True
    right &= (owners >= 0) & ~ignored
    return right, ~ignored


def _by_image(entries: Sequence[Json]) -> dict[int, np.ndarray]:
    places: dict[int, list[int]] = defaultdict(list)
    for place, one in enumerate(entries):
        places[one["image_id"]].append(place)
    return {image: np.array(rows) for image, rows in places.items()}
