"""The numbers of a detector's report: classes, curves, confusion, sizes, occlusion, reliability."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from vision.callbacks.results.detection_pictures import score_images
from vision.callbacks.results.detection_records import DetectionRecord
from vision.callbacks.results.evaluation_records import Record
from vision.metrics.box_confusion import box_confusion
from vision.metrics.box_matching import covered_share, match_detections
from vision.metrics.calibration import Calibration
from vision.metrics.coco.curves import OVERLAPS, RECALLS, coco_curves
from vision.metrics.coco.metric import PackedPrediction, coco_results
from vision.metrics.coco.table import PREFIXES, CocoResult
from vision.metrics.precision_recall import precision_recall
from vision.report.parts import (
    MAX_STORED,
    EvaluatedData,
    Json,
    calibration_json,
    confusion_json,
    curve_json,
    image_name,
    known,
    knowns,
)

# Minimum score of detections that are drawn and counted in the confusion matrix.
THRESHOLD = 0.3
# COCO's areas, in square pixels.
AREAS = (0.0, 32.0**2, 96.0**2, 1e10)
SIDES = (0, 16, 32, 64, 96, 128, 256)  # pixels, square root of the area
COVERED = (0.05, 0.5)  # share of the box, for partial and heavy occlusion
EDGE = 1.0  # pixels from the border of the image


class Objects(NamedTuple):
    """All objects of the evaluated images, without crowds, and all detections.

    Attributes:
        side: float `(M,)`, square root of the area in pixels.
        area: float `(M,)`, in square pixels.
        covered: float `(M,)`, share of the box covered by other boxes.
        cut: bool `(M,)`, whether the box touches the border of the image.
        score: float `(M,)`, score of the matching detection; NaN if there is none.
        scores: float `(D,)`, score of each detection that is not ignored.
        right: bool `(D,)`, whether the detection matches an object.
        confusion: int64 `(K + 1, K + 1)`, see `box_confusion`.
    """

    side: np.ndarray
    area: np.ndarray
    covered: np.ndarray
    cut: np.ndarray
    score: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    confusion: np.ndarray


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report.

    Args:
        record: The evaluation.
        source: Where its images come from; without an index of objects, only the metrics of the
            task are included.
    """
    body: DetectionRecord = record.body
    parts: Json = {"table": coco_table(body.result), "classes": _classes(body.result)}
    index = getattr(source.dataset, "index", None)
    if index is None or not body.found:
        return parts
    parts["curves"] = _curves(record, source)
    seen = collect(index, body.found)
    names = [*record.class_names, "background"]
    pooled = precision_recall(seen.scores, seen.right, total=len(seen.area))
    return {
        **parts,
        "confusion": {**confusion_json(seen.confusion, names), "threshold": THRESHOLD},
        "breakdowns": breakdowns(seen),
        "calibration": calibration_json(Calibration.of(seen.scores.clip(0, 1), seen.right)),
        "thresholds": curve_json(pooled),
        "images": [
            {
                "place": one.place,
                "name": image_name(source.dataset, one.place),
                "score": one.score,
                "objects": one.objects,
                "image_id": int(index.image_ids[one.place]),
            }
            for one in score_images(index, body.found)
        ],
    }


def coco_table(result: CocoResult) -> list[Json]:
    """The numbers, one row each with a value per IoU type; None without ground truth."""
    return [
        {"name": number.name, **{PREFIXES[k]: known(v[i]) for k, v in result.stats.items()}}
        for i, number in enumerate(result.numbers)
    ]


def _classes(result: CocoResult) -> list[Json]:
    scores = ("box_AP", "box_AP50", "mask_AP", "mask_AP50")
    return [
        {key: known(row[key]) if key in scores else row[key] for key in row}
        for row in result.categories()
    ]


def _curves(record: Record, source: EvaluatedData) -> Json:
    body: DetectionRecord = record.body
    ids = np.asarray(source.data.category_ids)
    curves: Json = {"recall": RECALLS.tolist()}
    for kind in body.result.stats:
        precision = coco_curves(
            source.data.ground_truth(record.stage),
            list(coco_results(body.found, ids)),
            image_ids=list(body.found),
            kind=kind,
        )
        # Categories are ordered by id, classes by label.
        precision = precision[..., np.argsort(np.argsort(ids))]
        curves[PREFIXES[kind]] = {
            f"{overlap:g}": {
                "mean": knowns(_mean(precision[i])),
                "classes": {
                    name: knowns(precision[i, :, k])
                    for k, name in enumerate(record.class_names)
                    if len(ids) <= MAX_STORED
                },
            }
            for i, overlap in enumerate(OVERLAPS)
        }
    return curves


def _mean(precision: np.ndarray) -> np.ndarray:
    """Mean over the classes that have objects: `(R, K)` to `(R,)`."""
    there = ~np.isnan(precision).any(axis=0)
    return precision[:, there].mean(axis=1) if there.any() else np.full(len(precision), np.nan)


def collect(index: Any, found: Mapping[int, PackedPrediction]) -> Objects:
    """Match the detections of all images with their objects at an IoU of 0.5.

    Args:
        index: A `vision.data.index.detection.DetectionIndex`, or an object with `image_ids`,
            `sizes`, `class_names` and `objects(i)`.
        found: Predictions by image id.
    """
    count = len(index.class_names)
    confusion = np.zeros((count + 1, count + 1), np.int64)
    rows: list[np.ndarray] = [np.zeros((0, 5))]
    detections: list[np.ndarray] = [np.zeros((0, 2))]
    for one, objects, size in _pairs(index, found):
        truth: dict[str, Any] = {
            "true_boxes": objects.boxes,
            "true_labels": objects.labels,
            "crowd": objects.crowd,
        }
        matches = match_detections(one.boxes, one.labels, one.scores, **truth)
        hit = matches.object >= 0
        scores = one.scores[matches.order]
        detections.append(np.stack([scores, hit], axis=1)[~matches.ignored])
        by = np.full(len(objects.boxes), np.nan)
        by[matches.object[hit]] = scores[hit]
        own = ~objects.crowd
        boxes = objects.boxes[own]
        cut = (boxes[:, :2] <= EDGE).any(axis=1) | (boxes[:, 2:] >= size[::-1] - EDGE).any(axis=1)
        area = objects.areas[own]
        rows.append(np.stack([np.sqrt(area), area, covered_share(boxes), cut, by[own]], axis=1))
        sure = one.scores >= THRESHOLD
        confusion += box_confusion(one.boxes[sure], one.labels[sure], num_classes=count, **truth)
    side, area, covered, cut, score = np.concatenate(rows).T
    taken, right = np.concatenate(detections).T
    return Objects(
        side, area, covered, cut.astype(bool), score, taken, right.astype(bool), confusion
    )


def _pairs(
    index: Any, found: Mapping[int, PackedPrediction]
) -> Iterator[tuple[PackedPrediction, Any, np.ndarray]]:
    for place, image_id in enumerate(index.image_ids.tolist()):
        if image_id in found:
            yield found[image_id], index.objects(place), np.asarray(index.sizes[place])


def breakdowns(seen: Objects) -> Json:
    """Recall at an IoU of 0.5, by what makes objects hard to find.

    Returns:
        By `"size"`, `"area"`, `"occlusion"` and `"border"`, rows with `name`, `objects`, `recall`
        of all detections, and `recall_sure` of those that score at least `THRESHOLD`.
    """
    sides = [*SIDES, np.inf]
    areas = ("small: below 32 x 32", "medium", "large: from 96 x 96")
    some, much = COVERED
    hidden = (
        (f"none: below {some:.0%}", seen.covered < some),
        (f"partial: {some:.0%} to {much:.0%}", (seen.covered >= some) & (seen.covered < much)),
        (f"heavy: from {much:.0%}", seen.covered >= much),
    )
    row: Callable[[str, np.ndarray], Json] = lambda name, mask: _recall(name, seen.score[mask])  # noqa: E731
    return {
        "area": [
            row(name, (seen.area >= low) & (seen.area < high))
            for name, low, high in zip(areas, AREAS, AREAS[1:], strict=False)
        ],
        "size": [
            row(
                f"{low} to {high}" if high < np.inf else f"from {low}",
                (seen.side >= low) & (seen.side < high),
            )
            for low, high in pairwise(sides)
        ],
        "occlusion": [row(name, mask) for name, mask in hidden],
        "border": [row("within the image", ~seen.cut), row("at the border", seen.cut)],
    }


def _recall(name: str, scores: np.ndarray) -> Json:
    """A row of a breakdown, from the score `(M,)` that found each object; NaN if none did."""
    count = len(scores)
    found, sure = int((~np.isnan(scores)).sum()), int((scores >= THRESHOLD).sum())
    return {
        "name": name,
        "objects": count,
        "recall": found / count if count else None,
        "recall_sure": sure / count if count else None,
    }
