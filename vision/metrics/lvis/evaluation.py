"""Average precision and recall by LVIS' rules, equal to those of its authors' package.

"LVIS: A Dataset for Large Vocabulary Instance Segmentation", Gupta et al., 2019, arXiv 1908.03195,
sections 3.1 and 4.1: a category is evaluated on the images that were checked for it, which are
those with an object of it and those in whose `neg_category_ids` it is. There COCO's rules hold,
but for detections that match nothing: they do not count where the category is in
`not_exhaustive_category_ids`. Of each image the 300 detections of the highest scores count, of all
categories together.

faster-coco-eval matches and sums, category by category on the images of each: its own evaluation
of all images at once gives the same, with an entry for each pair of an image and a category.
"""

import time
import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.annotations.coco_tables import collector_paused
from vision.annotations.lvis import FREQUENCIES
from vision.metrics.coco.evaluation import Kind, category_rows, choose_kinds
from vision.metrics.coco.files import Json, Truth, read_json, read_truth
from vision.metrics.coco.results import read_results
from vision.metrics.coco.table import CocoResult, Number, category_scores, summarize

MAX_DETECTIONS = 300
_EVERY = "0.50:0.95"
_SIZES = ("small", "medium", "large")
# Overlaps, recalls, ranges of areas.
_SHAPE = (10, 101, 4)


def lvis_numbers(max_detections: int = MAX_DETECTIONS) -> tuple[Number, ...]:
    """The thirteen numbers, in the order of the authors' package.

    Args:
        max_detections: Number of detections of an image that count.
    """
    return (
        Number("AP", _EVERY, "all", max_detections),
        Number("AP50", "0.50", "all", max_detections),
        Number("AP75", "0.75", "all", max_detections),
        *(Number(f"AP_{size}", _EVERY, size, max_detections) for size in _SIZES),
        *(
            Number(f"AP_{group}", _EVERY, "all", max_detections, group)
            for group in FREQUENCIES.values()
        ),
        Number(f"AR{max_detections}", _EVERY, "all", max_detections),
        *(Number(f"AR_{size}", _EVERY, size, max_detections) for size in _SIZES),
    )


@collector_paused()
def evaluate_lvis(
    ground_truth: Mapping[str, Any] | Path | str,
    results: Sequence[Mapping[str, Any]] | Path | str,
    *,
    kinds: Sequence[Kind] | None = None,
    image_ids: Collection[int] | None = None,
    max_detections: int = MAX_DETECTIONS,
    check_masks: bool = True,
) -> CocoResult:
    """Compare results with ground truth.

    Args:
        ground_truth: Annotations in LVIS' format, or their file.
        results: As in `vision.metrics.coco.evaluation.evaluate_coco`.
        kinds: Likewise.
        image_ids: Likewise.
        max_detections: Number of detections of an image that count, of all categories together.
        check_masks: Whether to look for broken run lengths.

    Returns:
        The thirteen numbers per kind, and the scores of each category.

    Raises:
        DataError: A file breaks its format, or results do not fit the ground truth.
        ConfigError: A kind is unknown.
    """
    begin = time.perf_counter()
    where = f"'{results}'" if isinstance(results, Path | str) else "the results"
    rows = read_json(results) if isinstance(results, Path | str) else results
    chosen = choose_kinds(kinds, rows)
    masks = "segm" in chosen
    truth = read_truth(ground_truth, image_ids=image_ids, masks=masks, federated=True)
    found = read_results(rows, truth, where=where, masks=masks, check_masks=check_masks)
    found = _keep_best(found, max_detections)
    numbers = lvis_numbers(max_detections)
    groups = [FREQUENCIES[one["frequency"]] for one in truth.contents["categories"]]
    checked = _by_category(truth, found)
    stats, scores = {}, {}
    for kind in chosen:
        precision, recall = _curves(checked, kind, max_detections)
        stats[kind] = summarize(precision, recall, numbers, groups)
        scores[kind] = category_scores(precision)
    return CocoResult(
        stats=stats,
        rows=category_rows(truth, found, scores, groups),
        images=len(truth.image_ids),
        seconds=time.perf_counter() - begin,
        numbers=numbers,
    )


def _keep_best(found: list[Json], maximum: int) -> list[Json]:
    """The results of the highest scores of each image; of equal ones the first."""
    by_image = defaultdict(list)
    for one in found:
        by_image[one["image_id"]].append(one)
    return [
        one
        for here in by_image.values()
        for one in (
            here
            if len(here) <= maximum
            else sorted(here, key=lambda result: -result["score"])[:maximum]
        )
    ]


def _by_category(truth: Truth, found: Sequence[Json]) -> list[tuple[Json, list[Json]]]:
    """Per category the ground truth of the images that were checked for it, and their results."""
    wanted = set(truth.image_ids)
    objects, results, images = defaultdict(list), defaultdict(list), defaultdict(set)
    for one in truth.contents["annotations"]:
        objects[one["category_id"]].append(one)
        images[one["category_id"]].add(one["image_id"])
    by_id = {image["id"]: image for image in truth.contents["images"] if image["id"] in wanted}
    for image in by_id.values():
        for category in image["neg_category_ids"]:
            images[category].add(image["id"])
    for one in found:
        if one["image_id"] in images[one["category_id"]]:
            results[one["category_id"]].append(one)
    return [
        (
            {
                "images": [by_id[image] for image in sorted(images[category["id"]])],
                "categories": [category],
                "annotations": objects[category["id"]],
            },
            results[category["id"]],
        )
        for category in truth.contents["categories"]
    ]


def _curves(
    checked: Sequence[tuple[Json, list[Json]]], kind: str, maximum: int
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of each category, as `summarize` reads them."""
    from faster_coco_eval import COCO, COCOeval_faster

    overlaps, recalls, areas = _SHAPE
    precision = np.full((overlaps, recalls, len(checked), areas, 1), -1.0)
    recall = np.full((overlaps, len(checked), areas, 1), -1.0)
    for k, (objects, results) in enumerate(checked):
        if not objects["annotations"]:
            continue
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Found annotation id 0")  # `files` warns
            truth, found = COCO(objects), COCO({**objects, "annotations": results})
        evaluation = COCOeval_faster(
            truth, found, kind, print_function=lambda *words: None, lvis_style=True
        )
        evaluation.params.maxDets = [maximum]
        evaluation.evaluate()
        evaluation.accumulate()
        precision[:, :, k : k + 1] = evaluation.eval["precision"]
        recall[:, k : k + 1] = evaluation.eval["recall"]
    return precision, recall
