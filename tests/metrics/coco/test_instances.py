"""Average precision of things against pycocotools on masks, and over two processes."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.gather_panoptic import COUNT, SHARES, instances_of, measured, scenes
from helpers.random_panoptic import CATEGORIES, THINGS
from helpers.two_processes import answers_of_two
from pycocotools import mask as mask_tools

from vision.metrics.coco.evaluation import evaluate_coco
from vision.metrics.coco.instances import InstanceEvaluator


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    packed = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {**packed, "counts": packed["counts"].decode()}


def test_equals_pycocotools_on_the_masks_of_things() -> None:
    evaluator = InstanceEvaluator(CATEGORIES)
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes()):
        found, infos = instances_of(scene)
        ids = scene.truth.ids
        evaluator.update(number, found, torch.from_numpy(ids), infos)
        # An image that comes twice counts once.
        evaluator.update(number, found, torch.from_numpy(ids), infos)
        for info in infos:
            if info["isthing"]:
                mask = run_lengths(ids == info["id"])
                row = {"image_id": number, "category_id": info["category_id"] + 50}
                row |= {"segmentation": mask, "area": float(mask_tools.area(mask))}
                row |= {"iscrowd": int(info["iscrowd"]), "bbox": [0, 0, 1, 1]}
                annotations.append({"id": len(annotations) + 1, **row})
        for mask, label, score in zip(
            found["masks"], found["labels"].tolist(), found["scores"].tolist(), strict=True
        ):
            row = {"image_id": number, "category_id": label + 50, "score": score}
            results.append({**row, "segmentation": run_lengths(mask.numpy())})
    truth = {
        "images": [{"id": n, "height": 24, "width": 30} for n in range(COUNT)],
        "annotations": annotations,
        "categories": [{"id": k + 50, "name": f"class {k}"} for k in range(THINGS)],
    }
    expected = evaluate_coco(truth, results, kinds=["segm"], backend="pycocotools").scalars()
    ours = evaluator.compute(None, range(THINGS)).scalars()
    assert ours == pytest.approx(expected, abs=1e-12)
    assert 0 < ours["mask_AP"] < 1
    assert len(evaluator) == COUNT


@pytest.mark.parametrize("name", SHARES)
def test_two_processes_get_what_one_gets(name: str, answers: list[Any]) -> None:
    expected = measured(list(range(COUNT)))
    assert expected["images"] == COUNT
    for answer in answers:
        found = answer[name]
        assert found["precision"] == expected["precision"]
        for group in ("all", "things", "stuff"):
            assert found["quality"][group] == pytest.approx(expected["quality"][group], abs=1e-12)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each of two processes has written."""
    return answers_of_two("gather_panoptic.py", tmp_path_factory.mktemp("gather"))
