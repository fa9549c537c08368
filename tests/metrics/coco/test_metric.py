"""The evaluator of detectors, in one process and in two."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.gather_coco import SEED, SHARES
from helpers.random_coco import judge, predictions_of, random_case
from helpers.two_processes import answers_of_two

from vision.errors import DataError
from vision.metrics.coco import metric
from vision.metrics.coco.metric import CocoEvaluator, evaluate_coco

TESTS = Path(__file__).parents[2]


def evaluated(seed: int, *, masks: bool = True, images: int = 6) -> tuple[Any, CocoEvaluator, Any]:
    truth, results = random_case(seed, images=images)
    ids, predictions = predictions_of(truth, results, masks=masks)
    evaluator = CocoEvaluator(masks=masks)
    evaluator.update(torch.tensor(ids[:4]), predictions[:4])
    evaluator.update(ids[4:], predictions[4:])
    return truth, evaluator, [one["id"] for one in truth["categories"]]


@pytest.mark.parametrize("masks", [True, False])
def test_it_equals_pycocotools_on_the_results_it_writes(masks: bool) -> None:
    truth, evaluator, category_ids = evaluated(6, masks=masks)
    result = evaluator.compute(truth, category_ids)
    results = evaluator.results(np.array(category_ids))
    assert set(result.stats) == ({"bbox", "segm"} if masks else {"bbox"})
    for kind, stats in result.stats.items():
        np.testing.assert_allclose(stats, judge(truth, results, kind)[0], rtol=0, atol=1e-12)
    # Written and read, not a bit is lost.
    again = evaluate_coco(truth, json.loads(json.dumps(results)))
    for kind, stats in result.stats.items():
        assert (again.stats[kind] == stats).all()


def test_boxes_scores_and_masks_are_those_of_the_predictions() -> None:
    truth, results = random_case(6, images=6)
    ids, predictions = predictions_of(truth, results, masks=True)
    evaluator = CocoEvaluator(masks=True)
    evaluator.update(ids, predictions)
    evaluator.gather()
    ours = evaluator.results([one["id"] for one in truth["categories"]])
    expected = [one for image in sorted(ids) for one in results if one["image_id"] == image]
    assert len(ours) == len(expected) > 20
    for one, other in zip(ours, expected, strict=True):
        assert one["image_id"] == other["image_id"]
        assert one["category_id"] == other["category_id"]
        assert np.float32(one["score"]) == np.float32(other["score"])
        np.testing.assert_allclose(one["bbox"], other["bbox"], rtol=1e-5, atol=1e-4)
        assert one["segmentation"] == other["segmentation"]


def test_images_without_predictions_count() -> None:
    truth, _ = random_case(6, images=6)
    ids, nothing = predictions_of(truth, [], masks=True)
    evaluator = CocoEvaluator(masks=True)
    evaluator.update(ids[:3], nothing[:3])
    result = evaluator.compute(truth, [90, 2, 7, 40])
    assert (result.images, len(evaluator)) == (3, 3)
    for kind in ("bbox", "segm"):
        expected = judge(truth, [], kind, ids[:3])[0]
        assert result.stats[kind].tolist() == expected.tolist()


def test_a_repeated_image_counts_once_and_reset_forgets() -> None:
    truth, evaluator, category_ids = evaluated(6)
    once = evaluator.compute(truth, category_ids)
    _, results = random_case(6, images=6)
    ids, predictions = predictions_of(truth, results, masks=True)
    evaluator.update(ids[:2], predictions[:2])
    again = evaluator.compute(truth, category_ids)
    assert (again.to_json(), again.categories()) == (once.to_json(), once.categories())
    evaluator.reset()
    assert len(evaluator) == 0
    assert set(evaluator.compute(truth, category_ids).stats["segm"]) == {-1}
    assert evaluator.results(category_ids) == []


def test_predictions_are_gathered_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, evaluator, category_ids = evaluated(6)
    calls = []
    merge = metric.merge_shares
    monkeypatch.setattr(metric, "merge_shares", lambda found: calls.append(1) or merge(found))
    evaluator.compute(truth, category_ids)
    # What draws and records the epoch asks for the same predictions.
    assert evaluator.gather() is evaluator.gather()
    assert len(evaluator.gather()) == len(evaluator) > 0
    assert len(calls) == 1
    evaluator.reset()
    assert evaluator.gather() == {}
    assert len(calls) == 2


def test_an_unknown_image_is_an_error() -> None:
    truth, evaluator, category_ids = evaluated(6)
    del truth["images"][0]
    truth["annotations"] = []
    with pytest.raises(DataError, match="another split"):
        evaluator.compute(truth, category_ids)


def test_a_hundred_masks_are_taken_in_quickly_and_held_in_little_memory() -> None:
    rows, columns = torch.meshgrid(torch.arange(480), torch.arange(640), indexing="ij")
    radius = torch.arange(1, 101)[:, None, None]
    masks = (rows - 240) ** 2 + (columns - 320) ** 2 < radius**2
    boxes = torch.rand(100, 4)
    prediction: Any = {"boxes": boxes, "labels": torch.zeros(100).long(), "masks": masks}
    prediction["scores"] = torch.rand(100)
    evaluator = CocoEvaluator(masks=True)
    begin = time.process_time()
    evaluator.update([1], [prediction])
    assert time.process_time() - begin < 10  # far more than it takes on a busy machine
    found = evaluator.gather()[1]
    assert len(found.counts) < 0.002 * masks.numel()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each of two processes has written."""
    return answers_of_two("gather_coco.py", tmp_path_factory.mktemp("gather"))


@pytest.mark.parametrize("name", SHARES)
def test_two_processes_get_what_one_gets(answers: list[Any], name: str) -> None:
    truth, evaluator, category_ids = evaluated(SEED)
    alone = evaluator.compute(truth, category_ids)
    for rank in (0, 1):
        answer = answers[rank][name]
        assert answer["numbers"] == alone.to_json()  # bit for bit
        assert answer["categories"] == alone.categories()
        assert answer["images"] == 6
    assert answers[0][name]["results"] == evaluator.results(category_ids)
    assert answers[1][name]["results"] == []


def test_an_error_reaches_every_process(answers: list[Any]) -> None:
    assert answers[0]["error"] == answers[1]["error"]
    assert "absent.json" in answers[0]["error"]
