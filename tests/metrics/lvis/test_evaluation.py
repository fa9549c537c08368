"""Evaluation by LVIS' rules: equal to faster-coco-eval's, and to the definition as loops."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from helpers.lvis import loop, random_lvis
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st

from vision.errors import ConfigError, DataError
from vision.metrics.lvis.evaluation import evaluate_lvis, lvis_numbers

Json = dict[str, Any]


def library(truth: Json, results: list[Json], kind: str) -> list[float]:
    """What faster-coco-eval's own LVIS mode makes of at most 300 results per image."""
    # Its version 1.8.0 fails on masks of an image of which nothing counts.
    known = {(one["image_id"], one["category_id"]) for one in truth["annotations"]}
    known |= {(one["id"], k) for one in truth["images"] for k in one["neg_category_ids"]}
    images = {one["image_id"] for one in truth["annotations"]}
    images |= {one["image_id"] for one in results if (one["image_id"], one["category_id"]) in known}
    results = [one for one in results if one["image_id"] in images]
    if not results:
        return []
    objects = COCO(copy.deepcopy(truth))
    evaluation = COCOeval_faster(
        objects, objects.loadRes(copy.deepcopy(results)), kind, lvis_style=True
    )
    evaluation.params.maxDets = [300]
    evaluation.run()
    stats = evaluation.all_stats
    # Its places of AR are three whatever the number of maxDets; its frequencies come last.
    return [*stats[:6], *stats[-3:], stats[6], *stats[9:12]]


@examples(15)
@given(seed=st.integers(0, 10**6), images=st.integers(1, 6), masks=st.booleans())
def test_all_numbers_are_those_of_the_library(seed: int, images: int, masks: bool) -> None:
    truth, results = random_lvis(seed, images=images, masks=masks)
    if not results:
        return
    before = copy.deepcopy((truth, results))
    result = evaluate_lvis(truth, results)
    assert (truth, results) == before
    assert set(result.stats) == ({"bbox", "segm"} if masks else {"bbox"})
    for kind, stats in result.stats.items():
        if expected := library(truth, results, kind):
            np.testing.assert_allclose(stats, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("seed", "maximum"), [(0, 300), (3, 4)])
def test_all_numbers_are_those_of_the_definition(seed: int, maximum: int) -> None:
    truth, results = random_lvis(seed, images=6)
    result = evaluate_lvis(truth, results, max_detections=maximum)
    for kind, stats in result.stats.items():
        expected = loop(truth, results, kind, maximum)
        assert [number.name for number in result.numbers] == [*expected]
        np.testing.assert_allclose(stats, [*expected.values()], rtol=0, atol=1e-12)


def test_of_an_image_three_hundred_detections_count_of_all_categories_together() -> None:
    truth, results = random_lvis(2, images=2, crowded=True, masks=False)
    image = results[0]["image_id"]
    results = [one for one in results if one["image_id"] == image] * 3
    assert len(results) > 310
    best = sorted(results, key=lambda one: -one["score"])[:300]
    whole, part = (evaluate_lvis(truth, some).stats["bbox"] for some in (results, best))
    assert whole.tolist() == part.tolist()
    assert sum(row.predictions for row in evaluate_lvis(truth, results).rows) == 300


def one_object() -> tuple[Json, list[Json]]:
    """Category 5 is in image 1, absent from image 2 and unknown in image 3."""
    box = [0.0, 0.0, 10.0, 10.0]
    image = {"height": 50, "width": 60, "neg_category_ids": [], "not_exhaustive_category_ids": []}
    truth = {
        "images": [
            {**image, "id": 1},
            {**image, "id": 2, "neg_category_ids": [5]},
            {**image, "id": 3},
        ],
        "categories": [
            {"id": 5, "name": "square", "frequency": "r"},
            {"id": 9, "name": "other", "frequency": "f"},
        ],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": box, "area": 100.0}],
    }
    return truth, [{"image_id": 1, "category_id": 5, "bbox": box, "score": 0.5}]


def test_what_counts_by_hand() -> None:
    truth, results = one_object()

    def value(*more: Json) -> float:
        return float(evaluate_lvis(truth, [*results, *more]).stats["bbox"][0])

    wrong = {"category_id": 5, "bbox": [30.0, 30.0, 10.0, 10.0], "score": 0.9}
    assert value() == 1
    assert value({**wrong, "image_id": 3}) == 1  # nobody has looked
    assert value({**wrong, "image_id": 2}) == 0.5  # known to be absent
    assert value({**wrong, "image_id": 1}) == 0.5
    truth["images"][0]["not_exhaustive_category_ids"] = [5]
    assert value({**wrong, "image_id": 1}) == 1  # may be right
    # Of the groups only the rare category has an object.
    scalars = evaluate_lvis(truth, results).scalars()
    groups = [scalars[f"box_AP_{name}"] for name in ("rare", "common", "frequent")]
    assert groups == [1, -1, -1]
    assert [number.name for number in lvis_numbers()][6:10] == [
        "AP_rare",
        "AP_common",
        "AP_frequent",
        "AR300",
    ]


def test_part_of_the_images() -> None:
    truth, results = random_lvis(4, images=8)
    ids = [image["id"] for image in truth["images"]][2:6]
    ours = evaluate_lvis(truth, [*results], image_ids=ids)
    part = {
        **truth,
        "images": [one for one in truth["images"] if one["id"] in ids],
        "annotations": [one for one in truth["annotations"] if one["image_id"] in ids],
    }
    expected = evaluate_lvis(part, [one for one in results if one["image_id"] in ids])
    assert ours.to_json() == expected.to_json()
    assert ours.categories() == expected.categories()
    assert ours.images == 4


def test_rows_have_the_frequency_of_their_category() -> None:
    truth, results = one_object()
    result = evaluate_lvis(truth, results)
    assert result.categories()[0] == {
        "id": 5,
        "name": "square",
        "frequency": "rare",
        "objects": 1,
        "crowds": 0,
        "predictions": 1,
        "box_AP": 1.0,
        "box_AP50": 1.0,
    }
    assert result.category_table().splitlines()[1].split()[:3] == ["5", "square", "rare"]
    lines = result.table("bbox").splitlines()
    assert lines[6].endswith("| area=   all | maxDets=300 | categories=    rare ] = 1.000")
    assert evaluate_lvis(truth, []).stats["bbox"][0] == 0
    assert set(evaluate_lvis(truth, results, image_ids=[]).stats["bbox"]) == {-1}


def test_what_a_file_lacks_is_named(tmp_path: Path) -> None:
    truth, results = one_object()
    plain = copy.deepcopy(truth)
    for image in plain["images"]:
        del image["neg_category_ids"]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(plain))
    with refuses(DataError, "truth.json", "image 1", "'neg_category_ids'"):
        evaluate_lvis(path, results)
    truth["categories"][0]["frequency"] = "often"
    with refuses(DataError, "category 5", "'frequency' is 'often'", "'r', 'c' or 'f'"):
        evaluate_lvis(truth, results)
    with pytest.raises(ConfigError, match="keypoints"):
        evaluate_lvis(truth, results, kinds=("keypoints",))  # type: ignore[arg-type]
