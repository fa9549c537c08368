"""Precision over recall of each category by COCO's rules: the arrays behind average precision."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.metrics.coco.files import read_truth
from vision.metrics.coco.results import read_results

OVERLAPS = (0.5, 0.75)
RECALLS = np.linspace(0, 1, 101)


def coco_curves(
    ground_truth: Mapping[str, Any] | Path | str,
    results: Sequence[Mapping[str, Any]],
    *,
    image_ids: Collection[int] | None = None,
    kind: str = "bbox",
) -> np.ndarray:
    """Interpolated precision at 101 recalls.

    Args:
        ground_truth: Annotations in COCO's format, or their file.
        results: As in `evaluate_coco`.
        image_ids: Images to evaluate; None for all.
        kind: `"bbox"` or `"segm"`.

    Returns:
        float64 `(2, 101, K)`: for each of `OVERLAPS`, at each of `RECALLS`, of each category by its
        number; NaN for categories without objects. The mean over the recalls is AP50 and AP75.

    Raises:
        DataError: Results do not fit the ground truth.
    """
    masks = kind == "segm"
    truth = read_truth(ground_truth, image_ids=image_ids, masks=masks)
    found = read_results(results, truth, where="the results", masks=masks, check_masks=False)
    categories = len(truth.contents["categories"])
    if not truth.image_ids:
        return np.full((len(OVERLAPS), len(RECALLS), categories), np.nan)
    from faster_coco_eval import COCO, COCOeval_faster

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found annotation id 0")  # `files` warns
        objects, answers = COCO(truth.contents), COCO({**truth.contents, "annotations": found})
    evaluation = COCOeval_faster(objects, answers, kind, print_function=lambda *words: None)
    evaluation.params.imgIds = truth.image_ids
    evaluation.params.iouThrs = np.array(OVERLAPS)
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.params.maxDets = [100]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"])[..., 0, 0]  # (2, 101, K)
    return np.where(precision < 0, np.nan, precision)
