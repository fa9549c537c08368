"""Evaluators of other protocols, on predictions as a detector gives them."""

from typing import Any

import pytest
from helpers.lvis import random_lvis
from helpers.random_coco import predictions_of
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.metrics.coco.evaluation import evaluate_coco
from vision.metrics.coco.metric import CocoEvaluator
from vision.metrics.detection_evaluators import EVALUATORS, build_evaluator
from vision.metrics.lvis.evaluation import evaluate_lvis
from vision.metrics.voc.evaluation import evaluate_voc


def evaluated(protocol: str, *, masks: bool) -> tuple[Any, CocoEvaluator, Any]:
    """Ground truth, the evaluator after four of six images, and its result."""
    truth, results = random_lvis(6, images=6)
    truth["annotations"][0]["iscrowd"] = 1
    ids, predictions = predictions_of(truth, results, masks=masks)
    evaluator = build_evaluator(protocol, masks=masks)
    evaluator.update(ids[:4], predictions[:4])
    category_ids = [one["id"] for one in truth["categories"]]
    result = evaluator.compute(truth, category_ids)
    return truth, evaluator, (result, evaluator.results(category_ids), ids[:4])


@pytest.mark.parametrize("masks", [True, False])
def test_lvis_is_evaluated_on_the_images_that_were_seen(masks: bool) -> None:
    truth, _, (result, results, seen) = evaluated("lvis", masks=masks)
    expected = evaluate_lvis(truth, results, image_ids=seen)
    assert result.scalars() == expected.scalars()
    assert result.categories() == expected.categories()
    assert ("mask_AP_rare" in result.scalars()) == masks
    assert 0 < result.scalars()["box_AP"] < 1


def test_voc_is_evaluated_beside_coco() -> None:
    truth, _, (result, results, seen) = evaluated("voc", masks=True)
    coco = evaluate_coco(truth, results, image_ids=seen)
    voc = evaluate_voc(truth, results, image_ids=seen)
    own = {f"box_{name}": value for name, value in voc.scalars().items()}
    assert result.scalars() == {**coco.scalars(), **own}
    assert result.to_json() == {**coco.to_json(), "voc": voc.to_json()}
    assert result.categories() == coco.categories()
    assert 0 < own["box_AP_2007"] < 1
    assert evaluate_voc({**truth, "annotations": []}, results).scalars()["AP_2010"] == -1


def test_an_unknown_protocol_is_refused() -> None:
    with refuses(ConfigError, "evaluation='lvsi'", "'coco', 'lvis', 'voc'"):
        build_evaluator("lvsi", masks=False)
    assert set(EVALUATORS) == {"coco", "lvis", "voc"}
