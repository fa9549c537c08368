"""Average precision and recall by COCO's rules, equal to pycocotools.

"Microsoft COCO: Common Objects in Context", 2014, arXiv:1405.0312, and the evaluation of its
authors, pycocotools, which defines the numbers. faster-coco-eval does the same in C++ and is used
by default; both get the same prepared data, and the sums are made here in pycocotools' order. It
differs from pycocotools where an annotation has an id below 0, where an annotation has no `iscrowd`
and where a polygon has fewer than three points; the preparation in `files` settles these.
"""

import contextlib
import io
import time
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vision.errors import ConfigError
from vision.metrics.coco.files import Json, Truth, has_masks, read_json, read_results, read_truth
from vision.metrics.coco.table import (
    NAMES,
    PREFIXES,
    CategoryRow,
    CocoResult,
    category_scores,
    summarize,
)

Backend = Literal["faster_coco_eval", "pycocotools"]
Kind = Literal["bbox", "segm"]
# faster-coco-eval keeps an entry for each pair of an image and a category: with the 1,203 of LVIS
# and 20,000 images those are gigabytes. Categories do not depend on each other.
_CATEGORIES_AT_ONCE = 100


def evaluate_coco(
    ground_truth: Mapping[str, Any] | Path | str,
    results: Sequence[Mapping[str, Any]] | Path | str,
    *,
    kinds: Sequence[Kind] | None = None,
    image_ids: Collection[int] | None = None,
    backend: Backend = "faster_coco_eval",
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
        backend: The library; the numbers are the same to 1e-12.
        check_masks: Whether to look for broken run lengths, which takes 40 us per mask; not needed
            for masks that pycocotools has just packed.

    Returns:
        The twelve numbers per kind, and the scores of each category.

    Raises:
        DataError: A file breaks its format, or results do not fit the ground truth.
        ConfigError: A kind or the backend is unknown.
    """
    begin = time.perf_counter()
    where = f"'{results}'" if isinstance(results, Path | str) else "the results"
    rows = read_json(results) if isinstance(results, Path | str) else results
    chosen: Sequence[str] = kinds or (("bbox", "segm") if has_masks(rows) else ("bbox",))
    _check_choices(chosen, backend)
    masks = "segm" in chosen
    truth = read_truth(ground_truth, image_ids=image_ids, masks=masks)
    found = read_results(rows, truth, where=where, masks=masks, check_masks=check_masks)
    stats, scores = {}, {}
    for kind in chosen:
        stats[kind], scores[kind] = _evaluate(truth, found, kind, backend)
    return CocoResult(
        stats=stats,
        rows=_rows(truth, found, scores),
        images=len(truth.image_ids),
        seconds=time.perf_counter() - begin,
        backend=backend,
    )


def _check_choices(kinds: Sequence[str], backend: str) -> None:
    if unknown := set(kinds) - set(PREFIXES):
        raise ConfigError(f"kinds={sorted(unknown)} are unknown; choose from {sorted(PREFIXES)}.")
    if backend not in _BACKENDS:
        raise ConfigError(f"backend='{backend}' is unknown; choose one of {sorted(_BACKENDS)}.")


def _evaluate(
    truth: Truth, found: list[Json], kind: str, backend: Backend
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    if not truth.image_ids:  # to both libraries an empty list means all images
        nothing = [(-1.0, -1.0)] * len(truth.contents["categories"])
        return np.full(len(NAMES), -1.0), nothing
    objects = truth.contents
    results = {**objects, "annotations": found}
    return _BACKENDS[backend](objects, results, kind, truth.image_ids)


def _by_faster_coco_eval(
    objects: Json, results: Json, kind: str, image_ids: list[int]
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    from faster_coco_eval import COCO, COCOeval_faster

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found annotation id 0")  # `files` warns
        truth, found = COCO(objects), COCO(results)
    categories = sorted(truth.cats)
    precision, recall = [], []
    for start in range(0, len(categories), _CATEGORIES_AT_ONCE):
        evaluation = COCOeval_faster(truth, found, kind, print_function=_say_nothing)
        evaluation.params.imgIds = image_ids
        evaluation.params.catIds = categories[start : start + _CATEGORIES_AT_ONCE]
        evaluation.evaluate()
        evaluation.accumulate()
        precision.append(np.asarray(evaluation.eval["precision"]))
        recall.append(np.asarray(evaluation.eval["recall"]))
    whole = np.concatenate(precision, axis=2)
    return summarize(whole, np.concatenate(recall, axis=1)), category_scores(whole)


def _by_pycocotools(
    objects: Json, results: Json, kind: str, image_ids: list[int]
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        for index, contents in ((truth, objects), (found, results)):
            index.dataset = contents
            index.createIndex()
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats, category_scores(evaluation.eval["precision"])


_BACKENDS = {"faster_coco_eval": _by_faster_coco_eval, "pycocotools": _by_pycocotools}


def _say_nothing(*words: object) -> None:
    """Replaces print."""


def _rows(
    truth: Truth, found: list[Json], scores: dict[str, list[tuple[float, float]]]
) -> tuple[CategoryRow, ...]:
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
        )
        for k, category in enumerate(sorted(names))
    )
