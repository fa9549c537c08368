import contextlib
import io
from typing import Any

import numpy as np
import pytest
from helpers.random_coco import random_case
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vision.metrics.coco.curves import OVERLAPS, coco_curves
from vision.metrics.coco.evaluation import evaluate_coco


def judge(truth: Any, results: Any) -> np.ndarray:
    """The precision array of pycocotools, `(10, 101, K)`."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        for one in truth["annotations"]:
            one.setdefault("iscrowd", 0)
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1]


@pytest.mark.parametrize("seed", [2, 4])
def test_the_curves_are_those_of_pycocotools(seed: int) -> None:
    truth, results = random_case(seed, images=6, masks=False)
    ours = coco_curves(truth, results)
    theirs = judge(truth, results)[[0, 5]]
    assert ours.shape == (len(OVERLAPS), 101, 4)
    np.testing.assert_allclose(ours, np.where(theirs < 0, np.nan, theirs), atol=1e-12)
    summary = evaluate_coco(truth, results).scalars()
    for curve, name in zip(ours, ("box_AP50", "box_AP75"), strict=True):
        assert np.nanmean(curve) == pytest.approx(summary[name])


def test_no_images_have_no_curves() -> None:
    truth, results = random_case(2, masks=False)
    assert np.isnan(coco_curves(truth, results, image_ids=[])).all()
