"""Evaluation by COCO's rules: equal to pycocotools as its authors use it."""

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.properties import examples
from helpers.random_coco import judge, random_case
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vision.errors import ConfigError, DataError
from vision.metrics.coco.evaluation import Backend, evaluate_coco

BACKENDS: tuple[Backend, ...] = ("numpy", "faster_coco_eval", "pycocotools")
SIZE = [50, 60]
Json = dict[str, Any]


def same(ours: np.ndarray, expected: np.ndarray) -> None:
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


@examples(30)
@given(
    seed=st.integers(0, 10**6),
    images=st.integers(1, 6),
    crowded=st.booleans(),
    masks=st.booleans(),
    from_zero=st.booleans(),
)
def test_all_numbers_are_those_of_pycocotools(
    seed: int, images: int, crowded: bool, masks: bool, from_zero: bool
) -> None:
    truth, results = random_case(seed, images=images, crowded=crowded, masks=masks)
    for annotation in truth["annotations"]:
        annotation["id"] -= from_zero
    before = copy.deepcopy((truth, results))
    result = evaluate_coco(truth, results)
    assert (truth, results) == before
    assert set(result.stats) == ({"bbox", "segm"} if masks and results else {"bbox"})
    for kind, stats in result.stats.items():
        assert stats.tolist() == judge(truth, results, kind)[0].tolist(), "to the bit"


def test_the_random_cases_are_worth_it() -> None:
    cases = [random_case(seed, crowded=seed % 2 == 0) for seed in range(8)]
    annotations = [one for truth, _ in cases for one in truth["annotations"]]
    assert {one["iscrowd"] for one in annotations} == {0, 1}
    values = np.stack([evaluate_coco(truth, found).stats["bbox"] for truth, found in cases])
    assert ((values > 0.05) & (values < 0.95)).any(axis=0).all()
    assert (values == -1).any()
    assert any(len(found) > 100 for _, found in cases)
    assert any(len({one["score"] for one in found}) < len(found) for _, found in cases)


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_libraries_give_the_same_for_part_of_the_images(backend: Backend) -> None:
    truth, results = random_case(3, images=8)
    ids = [image["id"] for image in truth["images"]][2:6]
    result = evaluate_coco(truth, results, image_ids=ids, backend=backend)
    assert (result.images, result.backend) == (4, backend)
    for kind in ("bbox", "segm"):
        same(result.stats[kind], judge(truth, results, kind, ids)[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_results_images_or_objects(backend: Backend) -> None:
    truth, results = random_case(1, images=5)
    result = evaluate_coco(truth, [], kinds=("bbox", "segm"), backend=backend)
    for kind in ("bbox", "segm"):
        same(result.stats[kind], judge(truth, [], kind)[0])
    assert result.stats["bbox"][0] == 0
    result = evaluate_coco(truth, results, image_ids=[], backend=backend)
    assert set(result.stats["bbox"]) == {-1}
    empty = {**truth, "annotations": []}
    result = evaluate_coco(empty, results, backend=backend)
    same(result.stats["segm"], judge(empty, results, "segm")[0])
    assert set(result.stats["segm"]) == {-1}


def by_parameters(
    truth: Json, results: list[Json], maxima: list[int], class_agnostic: bool
) -> list[float]:
    """The numbers of boxes from the arrays of pycocotools with its parameters changed."""
    with contextlib.redirect_stdout(io.StringIO()):
        objects = COCO()
        objects.dataset = copy.deepcopy(truth)
        objects.createIndex()
        evaluation = COCOeval(objects, objects.loadRes(copy.deepcopy(results)), "bbox")
        evaluation.params.maxDets = maxima
        evaluation.params.useCats = int(not class_agnostic)
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = (evaluation.eval[name] for name in ("precision", "recall"))
    parts = [precision[..., 0, -1], precision[0, ..., 0, -1], precision[5, ..., 0, -1]]
    parts += [precision[..., size, -1] for size in (1, 2, 3)]
    parts += [recall[..., 0, place] for place in range(len(maxima))]
    parts += [recall[..., size, -1] for size in (1, 2, 3)]
    return [float(one[one > -1].mean()) if (one > -1).any() else -1.0 for one in parts]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("class_agnostic", [False, True])
@pytest.mark.parametrize("maxima", [[3], [120], [2, 5, 100, 300]])
def test_other_numbers_of_detections_are_those_of_pycocotools_parameters(
    maxima: list[int], class_agnostic: bool, backend: Backend
) -> None:
    values = []
    for seed in (2, 4):
        truth, results = random_case(seed, images=5, crowded=True, masks=False)
        result = evaluate_coco(
            truth,
            results,
            max_detections=maxima,
            class_agnostic=class_agnostic,
            backend=backend,
        )
        same(result.stats["bbox"], by_parameters(truth, results, maxima, class_agnostic))
        assert f"box_AR{maxima[-1]}" in result.scalars()
        assert len(result.table("bbox").splitlines()) == len(result.numbers) == 9 + len(maxima)
        values.append(result.stats["bbox"][0])
    assert min(values) > 0.02


def test_proposals_by_hand() -> None:
    truth, results = two_squares()
    truth["annotations"][1]["category_id"] = 9
    del results[1]["category_id"]
    # The class of a proposal does not matter, and both are small.
    result = evaluate_coco(
        truth, results, kinds=("bbox",), max_detections=[1, 2], class_agnostic=True
    )
    scalars = result.scalars()
    assert (scalars["box_AR1"], scalars["box_AR2"], scalars["box_AR_small"]) == (0.5, 1, 1)
    row = result.categories()[0]
    assert (row["name"], row["objects"], row["predictions"]) == ("(any)", 2, 2)
    assert len(result.rows) == 1


def test_results_of_masks_alone_have_the_boxes_of_their_masks() -> None:
    truth, results = random_case(4, images=6)
    for result in results:
        del result["bbox"]
    stats = evaluate_coco(truth, results).stats
    for kind in ("bbox", "segm"):
        same(stats[kind], judge(truth, results, kind)[0])


def square(x: int, y: int, side: int = 20) -> Json:
    box = [float(x), float(y), float(side), float(side)]
    corners = [x, y, x + side, y, x + side, y + side, x, y + side]
    return {"image_id": 1, "category_id": 5, "bbox": box, "segmentation": [corners]}


def two_squares() -> tuple[Json, list[Json]]:
    objects = [{**square(x, 0), "area": 400.0, "iscrowd": 0, "id": x + 1} for x in (0, 30)]
    truth = {
        "images": [{"id": 1, "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 5, "name": "square"}, {"id": 9, "name": "other"}],
        "annotations": objects,
    }
    return truth, [{**square(0, 0), "score": 0.9}, {**square(30, 0), "score": 0.8}]


def test_a_perfect_answer_by_hand() -> None:
    truth, results = two_squares()
    result = evaluate_coco(truth, results)
    # One of two objects is in the first place; there are only small ones.
    expected = [1, 1, 1, 1, -1, -1, 0.5, 1, 1, 1, -1, -1]
    assert result.stats["bbox"].tolist() == result.stats["segm"].tolist() == expected


def test_ids_below_zero_count_as_in_pycocotools() -> None:
    # faster-coco-eval 1.8.0 takes an object whose id is below 0 for one that nothing matches.
    truth, results = two_squares()
    truth["annotations"][0]["id"] = -3
    for backend in BACKENDS:
        stats = evaluate_coco(truth, results, backend=backend).stats
        same(stats["bbox"], judge(truth, results, "bbox")[0])
        assert stats["bbox"][0] == 1


def test_the_id_zero_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    truth, results = two_squares()
    truth["annotations"][0]["id"] = 0
    stats = evaluate_coco(truth, results).stats
    same(stats["bbox"], judge(truth, results, "bbox")[0])
    assert 0 < stats["bbox"][0] < 1
    assert "id 0" in caplog.text


def test_iscrowd_and_area_may_be_absent() -> None:
    truth, results = two_squares()
    full = evaluate_coco(truth, results).stats
    for annotation in truth["annotations"]:
        del annotation["iscrowd"], annotation["area"]
    again = evaluate_coco(truth, results).stats
    for kind in full:
        assert (again[kind] == full[kind]).all()


def test_many_categories_are_evaluated_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, results = random_case(5, images=6)
    whole = evaluate_coco(truth, results, backend="faster_coco_eval")
    monkeypatch.setattr("vision.metrics.coco.evaluation._CATEGORIES_AT_ONCE", 3)
    groups = evaluate_coco(truth, results, backend="faster_coco_eval")
    assert groups.to_json() == whole.to_json()
    assert groups.categories() == whole.categories()


def test_masks_and_pairs_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, results = random_case(5, images=6, crowded=True)
    whole = evaluate_coco(truth, results)
    monkeypatch.setattr("vision.metrics.coco.matching._PAIRS_AT_ONCE", 5)
    monkeypatch.setattr("vision.annotations.run_lengths._CHARACTERS_AT_ONCE", 50)
    assert evaluate_coco(truth, results).to_json() == whole.to_json()


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    truth, results = random_case(5)
    for backend in BACKENDS:
        evaluate_coco(truth, results, backend=backend)
    assert capfd.readouterr() == ("", "")


def test_categories_are_counted_and_measured() -> None:
    truth, results = random_case(8, images=8)
    rows = evaluate_coco(truth, results).rows
    assert [row.id for row in rows] == [2, 7, 40, 90]
    for row in rows:
        here = [one for one in truth["annotations"] if one["category_id"] == row.id]
        assert row.objects + row.crowds == len(here)
        assert row.crowds == sum(one["iscrowd"] for one in here)
        assert row.predictions == sum(one["category_id"] == row.id for one in results)
        alone = {
            **truth,
            "annotations": here,
            "categories": [{"id": row.id}],
        }
        found = [one for one in results if one["category_id"] == row.id]
        for kind in ("bbox", "segm"):
            expected = judge(alone, found, kind)[0][:2]
            np.testing.assert_allclose(row.scores[kind], expected, rtol=0, atol=1e-12)


def broken_results() -> dict[str, tuple[Json, str]]:
    rle = {"size": SIZE, "counts": "0P"}
    return {
        "image": ({"image_id": 77}, "result 1 of the results has image_id 77, which is not in"),
        "text": ({"image_id": "one"}, "has image_id 'one'"),
        "flag": ({"image_id": True}, "has image_id True"),
        "text score": ({"score": "0.5"}, "has the score '0.5'"),
        "text box": ({"bbox": ["0", 0, 1, 1]}, "has the bbox"),
        "far": ({"segmentation": [[0, 0, 1e9, 0, 1e9, 1e9]]}, "the coordinate 1e"),
        "long": ({"segmentation": {"size": SIZE, "counts": [10**30]}}, "expected a list of whole"),
        "category": ({"category_id": 0}, "has category_id 0, which is not in the ground truth"),
        "score": ({"score": float("nan")}, "has the score nan"),
        "box": ({"bbox": [0, 0, float("nan"), 1]}, "has the bbox"),
        "three": ({"bbox": [0, 0, 1]}, "expected four finite numbers"),
        "size": ({"segmentation": {**rle, "size": [60, 50]}}, r"size \[60, 50\], its image \[50"),
        "counts": ({"segmentation": rle}, "result 1 of .* run lengths of its mask do not cover"),
        "shape": ({"segmentation": 3}, "the segmentation is 3, expected a list of polygons"),
    }


@pytest.mark.parametrize("name", broken_results())
def test_wrong_results_are_refused(name: str) -> None:
    change, message = broken_results()[name]
    truth, results = two_squares()
    results[1].update(change)
    with pytest.raises(DataError, match=message):
        evaluate_coco(truth, results)


def test_what_results_lack_is_named() -> None:
    truth, results = two_squares()
    for key in ("image_id", "category_id", "score", "bbox", "segmentation"):
        short = copy.deepcopy(results)
        del short[1][key]
        with pytest.raises(DataError, match=f"result 1 of the results has no '{key}'"):
            evaluate_coco(truth, short)
    with refuses(DataError, "dict", "list", "results"):
        evaluate_coco(truth, {"annotations": []})  # type: ignore[arg-type]


def broken_truth() -> dict[str, tuple[Json, str]]:
    return {
        "image": ({"image_id": 4}, "annotation 31 .*: its image_id 4 is not listed"),
        "category": ({"category_id": 4}, "its category_id 4 is not listed"),
        "twice": ({"id": 1}, "annotations: 2 entries have the id 1"),
        "box": ({"bbox": [0, float("nan"), 1, 1]}, "'bbox' is"),
        "polygon": ({"segmentation": [[0, 0, 20, 20]]}, "a polygon has 2 points"),
        "none": ({"segmentation": []}, "has no 'segmentation', but masks are evaluated"),
        "counts": (
            {"segmentation": {"size": SIZE, "counts": [3, 4]}},
            "sum to 7, expected 50",
        ),
        "packed": ({"segmentation": {"size": SIZE, "counts": "0P"}}, "do not cover"),
    }


@pytest.mark.parametrize("name", broken_truth())
def test_wrong_ground_truth_is_refused(name: str) -> None:
    change, message = broken_truth()[name]
    truth, results = two_squares()
    truth["annotations"][1].update(change)
    with pytest.raises(DataError, match=message):
        evaluate_coco(truth, results)


def test_files_are_named(tmp_path: Path) -> None:
    truth, results = two_squares()
    files = tmp_path / "truth.json", tmp_path / "found.json"
    for path, contents in zip(files, (truth, results), strict=True):
        path.write_text(json.dumps(contents))
    assert evaluate_coco(*files).stats["bbox"][0] == 1
    files[1].write_text(json.dumps(results)[:-9])
    with refuses(DataError, "found.json", "JSON", "cut off"):
        evaluate_coco(*files)
    with refuses(DataError, "file", "absent.json"):
        evaluate_coco(tmp_path / "absent.json", results)
    del truth["annotations"]
    files[0].write_text(json.dumps(truth))
    with refuses(DataError, "truth.json", "'annotations'", "test set"):
        evaluate_coco(files[0], results)
    with pytest.raises(DataError, match="another split"):
        evaluate_coco(two_squares()[0], results, image_ids=[1, 2])


def test_wrong_choices_are_refused() -> None:
    truth, results = two_squares()
    with pytest.raises(ConfigError, match="keypoints"):
        evaluate_coco(truth, results, kinds=("keypoints",))  # type: ignore[arg-type]
    for maxima in ([], [0, 10], [100, 10], [5, 5]):
        with refuses(ConfigError, f"max_detections={maxima}", "ascending", "[300]"):
            evaluate_coco(truth, results, max_detections=maxima)
    with pytest.raises(ConfigError, match="choose one of"):
        evaluate_coco(truth, results, backend="other")  # type: ignore[arg-type]
