from typing import Any

import numpy as np
import pytest
from helpers.random_coco import random_case
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vision.metrics.box_matching import covered_share, match_detections, overlaps


def xyxy(rows: list[dict[str, Any]]) -> np.ndarray:
    boxes = np.array([row["bbox"] for row in rows], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_matches_are_those_of_pycocotools(seed: int) -> None:
    truth, results = random_case(seed, images=6, masks=False)
    judge = COCOeval(index(truth), index({**truth, "annotations": numbered(results)}), "bbox")
    judge.evaluate()
    areas = len(judge.params.areaRng) * len(judge.params.imgIds)
    counted = 0
    for image_place, image in enumerate(judge.params.imgIds):
        here = [one for one in truth["annotations"] if one["image_id"] == image]
        found = [one for one in results if one["image_id"] == image]
        ours = match_detections(
            xyxy(found),
            np.array([one["category_id"] for one in found]),
            np.array([one["score"] for one in found]),
            true_boxes=xyxy(here),
            true_labels=np.array([one["category_id"] for one in here]),
            crowd=np.array([bool(one.get("iscrowd", 0)) for one in here], bool),
        )
        for k, category in enumerate(judge.params.catIds):
            theirs = judge.evalImgs[k * areas + image_place]
            mine = [i for i, d in enumerate(ours.order) if found[d]["category_id"] == category]
            if theirs is None:
                assert not mine
                continue
            ids = [here[ours.object[i]]["id"] if ours.object[i] >= 0 else 0 for i in mine]
            ignored = theirs["dtIgnore"][0]
            assert ids == np.where(ignored, 0, theirs["dtMatches"][0]).astype(int).tolist()
            assert ours.ignored[mine].tolist() == ignored.tolist()
            counted += len(mine)
    assert counted > 10


def index(contents: dict[str, Any]) -> COCO:
    coco = COCO()
    objects = [
        {"iscrowd": 0, "area": one["bbox"][2] * one["bbox"][3], "ignore": 0, **one}
        for one in contents["annotations"]
    ]
    coco.dataset = {**contents, "annotations": objects}
    coco.createIndex()
    return coco


def numbered(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "id": i} for i, one in enumerate(results, start=1)]


def test_overlap_with_a_crowd_is_the_share_of_the_box_itself() -> None:
    box, other = np.array([[0, 0, 2, 2]]), np.array([[0, 0, 4, 2], [0, 0, 4, 2]])
    shares = overlaps(box, other, np.array([False, True]))
    assert shares.tolist() == [[0.5, 1.0]]


def test_covered_share_counts_what_several_cover_once() -> None:
    boxes = np.array([[0, 0, 4, 4], [0, 0, 2, 4], [1, 0, 3, 4], [10, 10, 12, 12], [5, 5, 5, 5]])
    # The first is under columns 0 to 3; the second under the first; the third too.
    assert covered_share(boxes).tolist() == [0.75, 1.0, 1.0, 0.0, 0.0]


def test_an_image_without_objects_or_detections() -> None:
    nothing, labels = np.zeros((0, 4)), np.zeros(0, int)
    truth = {"true_boxes": nothing, "true_labels": labels, "crowd": np.zeros(0, bool)}
    one = match_detections(np.ones((1, 4)), np.zeros(1, int), np.ones(1), **truth)
    assert one.object.tolist() == [-1]
    assert not match_detections(nothing, labels, np.zeros(0), **truth).order.size
    assert not covered_share(nothing).size
