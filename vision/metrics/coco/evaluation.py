"""Average precision and recall by COCO's rules, equal to pycocotools.

"Microsoft COCO: Common Objects in Context", 2014, arXiv:1405.0312, and the evaluation of its
authors, pycocotools, which defines the numbers. By default its rules are followed here for all
images and categories at once (`matching`, `averages`); faster-coco-eval, which does so in C++, and
pycocotools itself get the same prepared data, and the sums are made in pycocotools' order.
faster-coco-eval differs from pycocotools where an annotation has an id below 0, where an annotation
has no `iscrowd` and where a polygon has fewer than three points; the preparation in `files` settles
these.
"""

import contextlib
import io
import time
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from vision.annotations.coco_tables import collector_paused
from vision.errors import ConfigError
from vision.metrics.coco.averages import average
from vision.metrics.coco.files import Json, Truth, read_json, read_truth
from vision.metrics.coco.results import has_masks, read_results
from vision.metrics.coco.table import (
    MAX_DETECTIONS,
    PREFIXES,
    CategoryRow,
    CocoResult,
    Number,
    category_scores,
    coco_numbers,
    summarize,
)

Backend = Literal["numpy", "faster_coco_eval", "pycocotools"]
Kind = Literal["bbox", "segm"]
Curves = tuple[np.ndarray, np.ndarray]  # precision and recall, as `summarize` reads them
# The row of all categories together, if results are evaluated without their categories.
ANY_CATEGORY = (0, "(any)")
# faster-coco-eval keeps an entry for each pair of an image and a category: with the 1,203 of LVIS
# and 20,000 images those are gigabytes. Categories do not depend on each other.
_CATEGORIES_AT_ONCE = 100


@collector_paused()
def evaluate_coco(
    ground_truth: Mapping[str, Any] | Path | str,
    results: Sequence[Mapping[str, Any]] | Path | str,
    *,
    kinds: Sequence[Kind] | None = None,
    image_ids: Collection[int] | None = None,
    max_detections: Sequence[int] = MAX_DETECTIONS,
    class_agnostic: bool = False,
    backend: Backend = "numpy",
    check_masks: bool = True,
) -> CocoResult:
    """Compare results with ground truth.

    Args:
        ground_truth: Annotations in COCO's format, or their file.
        results: List of `{"image_id", "category_id", "score", "bbox": [x, y, width, height],
            "segmentation": run lengths}` in pixels, or its file; without masks or without boxes
            too.
        kinds: Overlap of boxes, of masks, or both; None uses masks where results have them.
        image_ids: Images to evaluate; None for all. Images without results count.
        max_detections: Numbers of results per image and category, those of the highest scores.
            Average recall is measured at each, average precision at the largest.
        class_agnostic: Whether objects and results of all categories are compared together, as
            proposals are; `max_detections` are then per image, and results need no `category_id`.
        backend: The library; the numbers are the same to 1e-12.
        check_masks: Whether to look for broken run lengths; not needed for masks that pycocotools
            has just packed.

    Returns:
        The numbers per kind (twelve with COCO's `max_detections`), and the scores of each category.

    Raises:
        DataError: A file breaks its format, or results do not fit the ground truth.
        ConfigError: A kind or the backend is unknown, or `max_detections` are not ascending.
    """
    begin = time.perf_counter()
    where = f"'{results}'" if isinstance(results, Path | str) else "the results"
    rows = read_json(results) if isinstance(results, Path | str) else results
    chosen = choose_kinds(kinds, rows)
    _check_choices(max_detections, backend)
    masks = "segm" in chosen
    truth = read_truth(ground_truth, image_ids=image_ids, masks=masks)
    if class_agnostic:
        rows = _with_category(rows, truth)
    found = read_results(rows, truth, where=where, masks=masks, check_masks=check_masks)
    plan = _Plan(coco_numbers(max_detections), list(max_detections), class_agnostic, backend)
    stats, scores = {}, {}
    for kind in chosen:
        stats[kind], scores[kind] = _evaluate(truth, found, kind, plan)
    return CocoResult(
        stats=stats,
        rows=(_one_row if class_agnostic else category_rows)(truth, found, scores),
        images=len(truth.image_ids),
        seconds=time.perf_counter() - begin,
        backend=backend,
        numbers=plan.numbers,
    )


def choose_kinds(kinds: Sequence[str] | None, results: Any) -> Sequence[str]:
    """The kinds of overlap to evaluate: the given ones, or those that the first result allows.

    Raises:
        ConfigError: A kind is unknown.
    """
    if unknown := set(kinds or ()) - set(PREFIXES):
        raise ConfigError(f"kinds={sorted(unknown)} are unknown; choose from {sorted(PREFIXES)}.")
    return kinds or (("bbox", "segm") if has_masks(results) else ("bbox",))


def category_rows(
    truth: Truth,
    found: Sequence[Json],
    scores: Mapping[str, Sequence[tuple[float, float]]],
    frequencies: Sequence[str] = (),
) -> tuple[CategoryRow, ...]:
    """A row per category, by ascending id.

    Args:
        truth: The ground truth.
        found: The results.
        scores: Per kind, AP and AP50 of each category.
        frequencies: Group of each category, where there are groups.
    """
    annotations = truth.contents["annotations"]
    objects = Counter(one["category_id"] for one in annotations if not one["iscrowd"])
    crowds = Counter(one["category_id"] for one in annotations if one["iscrowd"])
    predictions = Counter(one["category_id"] for one in found)
    names = {one["id"]: one["name"] for one in truth.contents["categories"]}
    return tuple(
        CategoryRow(
            id=category,
            name=names[category],
            objects=objects[category],
            crowds=crowds[category],
            predictions=predictions[category],
            scores={kind: pairs[k] for kind, pairs in scores.items()},
            frequency=frequencies[k] if frequencies else "",
        )
        for k, category in enumerate(sorted(names))
    )


class _Plan(NamedTuple):
    numbers: tuple[Number, ...]
    max_detections: list[int]
    class_agnostic: bool
    backend: Backend


def _check_choices(max_detections: Sequence[int], backend: str) -> None:
    if (
        not max_detections
        or min(max_detections) < 1
        or list(max_detections) != sorted(set(max_detections))
    ):
        raise ConfigError(
            f"max_detections={list(max_detections)} must be ascending numbers from 1 on, such as "
            "[1, 10, 100] or [300]."
        )
    if backend not in _BACKENDS:
        raise ConfigError(f"backend='{backend}' is unknown; choose one of {sorted(_BACKENDS)}.")


def _evaluate(
    truth: Truth, found: list[Json], kind: str, plan: _Plan
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    categories = 1 if plan.class_agnostic else len(truth.contents["categories"])
    if not truth.image_ids:  # to both libraries an empty list means all images
        return np.full(len(plan.numbers), -1.0), [(-1.0, -1.0)] * categories
    objects = truth.contents
    results = {**objects, "annotations": found}
    curves = _BACKENDS[plan.backend](objects, results, kind, truth.image_ids, plan)
    return summarize(*curves, plan.numbers), category_scores(curves[0])


def _by_numpy(objects: Json, results: Json, kind: str, image_ids: list[int], plan: _Plan) -> Curves:
    return average(
        objects["annotations"],
        results["annotations"],
        kind,
        image_ids=image_ids,
        category_ids=sorted(category["id"] for category in objects["categories"]),
        max_detections=plan.max_detections,
        class_agnostic=plan.class_agnostic,
    )


def _by_faster_coco_eval(
    objects: Json, results: Json, kind: str, image_ids: list[int], plan: _Plan
) -> Curves:
    from faster_coco_eval import COCO, COCOeval_faster

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found annotation id 0")  # `files` warns
        truth, found = COCO(objects), COCO(results)
    categories = sorted(truth.cats)
    # Without categories an image is one entry.
    step = len(categories) if plan.class_agnostic else _CATEGORIES_AT_ONCE
    precision, recall = [], []
    for start in range(0, len(categories), step):
        evaluation = COCOeval_faster(truth, found, kind, print_function=_say_nothing)
        evaluation.params.imgIds = image_ids
        evaluation.params.catIds = categories[start : start + step]
        evaluation.params.maxDets = plan.max_detections
        evaluation.params.useCats = int(not plan.class_agnostic)
        evaluation.evaluate()
        evaluation.accumulate()
        precision.append(np.asarray(evaluation.eval["precision"]))
        recall.append(np.asarray(evaluation.eval["recall"]))
    return np.concatenate(precision, axis=2), np.concatenate(recall, axis=1)


def _by_pycocotools(
    objects: Json, results: Json, kind: str, image_ids: list[int], plan: _Plan
) -> Curves:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        for index, contents in ((truth, objects), (found, results)):
            index.dataset = contents
            index.createIndex()
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = image_ids
        evaluation.params.maxDets = plan.max_detections
        evaluation.params.useCats = int(not plan.class_agnostic)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"], evaluation.eval["recall"]


_BACKENDS = {
    "numpy": _by_numpy,
    "faster_coco_eval": _by_faster_coco_eval,
    "pycocotools": _by_pycocotools,
}


def _say_nothing(*words: object) -> None:
    """Replaces print."""


def _with_category(rows: Any, truth: Truth) -> Any:
    """Results without a category get the first one; what is no result is left to `read_results`."""
    if not isinstance(rows, list | tuple):
        return rows
    first = truth.contents["categories"][0]["id"]
    return [{"category_id": first, **one} if isinstance(one, Mapping) else one for one in rows]


def _one_row(
    truth: Truth, found: list[Json], scores: dict[str, list[tuple[float, float]]]
) -> tuple[CategoryRow, ...]:
    annotations = truth.contents["annotations"]
    crowds = sum(one["iscrowd"] for one in annotations)
    pairs = {kind: pairs[0] for kind, pairs in scores.items()}
    return (CategoryRow(*ANY_CATEGORY, len(annotations) - crowds, crowds, len(found), pairs),)
