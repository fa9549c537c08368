import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.gather_segmentation import CLASSES, SEED, SHARES, SIZES, measured
from helpers.properties import examples
from helpers.random_labels import Maps, judge, random_maps
from helpers.refusals import refuses
from helpers.two_processes import answers_of_two
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError, DataError
from vision.metrics.segmentation import SegmentationEvaluator, SegmentationScores

TESTS = Path(__file__).parents[1]
FIXTURES = TESTS / "fixtures" / "mmseg"


def evaluate(maps: list[Maps], num_classes: int) -> SegmentationScores:
    evaluator = SegmentationEvaluator(num_classes)
    for one in maps:
        evaluator.update(*one)
    return evaluator.compute()


def percent(values: np.ndarray) -> np.ndarray:
    """Percentages as mmsegmentation makes them: float32, rounded to two decimals."""
    return np.round(values.astype(np.float32) * 100, 2)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@examples(40)
@given(
    seed=st.integers(0, 1 << 30),
    num_classes=st.integers(1, 150),
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
    block=st.integers(1, 9),
    ignored=st.sampled_from([0.0, 0.2, 0.9]),
)
def test_numbers_are_those_of_mmsegmentation(
    seed: int, num_classes: int, sizes: list[tuple[int, int]], block: int, ignored: float
) -> None:
    maps = random_maps(seed, num_classes, sizes=sizes, block=block, ignored=ignored)
    result, expected = evaluate(maps, num_classes), judge(maps, num_classes)
    for areas, others in zip(result.areas, expected["areas"], strict=True):
        assert areas.tolist() == others.tolist()
    intersection, union, _, labelled = expected["areas"]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(result.iou, intersection / union, rtol=0, atol=1e-12)
        np.testing.assert_allclose(result.accuracy, intersection / labelled, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(percent(result.iou), expected["IoU"])
    np.testing.assert_array_equal(percent(result.accuracy), expected["Acc"])
    for name in ("mIoU", "mAcc", "aAcc"):
        # It takes its means in float32, which may round the other way.
        assert 100 * result.scalars()[name] == pytest.approx(
            expected[name], abs=5.1e-3, nan_ok=True
        )


@pytest.mark.parametrize("seed", [511, 512])
def test_numbers_are_those_of_the_reference_files(seed: int) -> None:
    with safe_open(FIXTURES / f"mmseg_iou_{seed}.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        options, numbers = (json.loads(file.metadata()[name]) for name in ("kwargs", "result"))
    maps = [Maps(tensors[f"pred/{i}"], tensors[f"target/{i}"]) for i in range(options["n"])]
    result = evaluate(maps, options["C"])
    for name, ours in zip(("intersect", "union", "pred", "label"), result.areas, strict=True):
        assert ours.tolist() == tensors[f"area_{name}"].tolist()
    # Where it was told to, mmsegmentation gives an absent class a number and counts it.
    absent = math_or(options["nan"])
    for name, values in {"IoU": result.iou, "Acc": result.accuracy}.items():
        theirs = tensors[f"per_class/{name}"].numpy()
        np.testing.assert_allclose(np.nan_to_num(values, nan=absent), theirs, rtol=0, atol=1e-6)
        known = values if options["nan"] is None else np.nan_to_num(values, nan=absent)
        assert 100 * np.nanmean(known) == pytest.approx(numbers[f"m{name}"], abs=5.1e-3)
    assert 100 * result.aAcc == pytest.approx(numbers["aAcc"], abs=5.1e-3)


def math_or(value: float | None) -> float:
    """What stands for an absent class in a reference file."""
    return -1 if value is None else value


def test_boundary_iou_is_that_of_each_class_by_itself() -> None:
    cv2 = pytest.importorskip("cv2")
    maps = random_maps(8, 6, sizes=[(60, 80), (130, 90), (40, 44)], block=25, right=0.99)
    both, either = np.zeros(6, np.int64), np.zeros(6, np.int64)
    for one in maps:
        predicted, target = (labels.numpy() for labels in one)
        predicted = np.where(target == IGNORED, IGNORED, predicted)
        steps = max(1, round(0.02 * float(np.hypot(*target.shape))))
        for k in range(6):
            regions = []
            for labels in (predicted, target):
                padded = np.pad((labels == k).astype(np.uint8), 1)
                eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=steps)
                regions.append((labels == k) & (eroded[1:-1, 1:-1] == 0))
            both[k] += (regions[0] & regions[1]).sum()
            either[k] += (regions[0] | regions[1]).sum()
    result = evaluate(maps, 6)
    assert result.boundary_areas is not None
    assert result.boundary_areas.intersection.tolist() == both.tolist()
    assert result.boundary_areas.union.tolist() == either.tolist()
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(result.boundary_iou, both / either, rtol=0, atol=1e-12)
    assert result.mBIoU == pytest.approx(np.nanmean((both / either)[either > 0]))
    assert 0.1 < result.mBIoU < result.mIoU


def test_a_perfect_prediction_is_one_and_ignored_pixels_may_hold_anything() -> None:
    [one] = random_maps(2, 7, sizes=[(50, 40)])
    for target in (one.target, one.target.to(torch.uint8)):
        result = evaluate([Maps(one.target, target)], 7)
        assert set(result.scalars().values()) == {1.0}
    left = one.target.masked_fill(one.target == IGNORED, -3)
    assert evaluate([Maps(left, one.target)], 7).to_json() == result.to_json()


def test_kinds_of_integers_count_alike() -> None:
    [one] = random_maps(2, 7, sizes=[(50, 40)])
    expected = evaluate([one], 7).to_json()
    for predicted in (torch.uint8, torch.int16, torch.int32):
        for target in (torch.uint8, torch.int32):
            kinds = Maps(one.predicted.to(predicted), one.target.to(target))
            assert evaluate([kinds], 7).to_json() == expected


def test_a_refused_image_is_not_counted() -> None:
    [one] = random_maps(2, 7, sizes=[(50, 40)])
    evaluator = SegmentationEvaluator(7)
    evaluator.update(*one)
    before = evaluator.compute().to_json()
    wrong = one.predicted.clone()
    wrong[one.target != IGNORED] = 7
    with refuses(DataError, "b.jpg", "7"):
        evaluator.update(wrong, one.target, where="b.jpg")
    assert len(evaluator) == 1
    assert evaluator.compute().to_json() == before
    evaluator.reset()
    assert len(evaluator) == 0
    assert evaluator.compute().confusion.sum() == 0


def test_without_boundaries_there_are_no_such_numbers() -> None:
    [one] = random_maps(2, 7, sizes=[(50, 40)])
    evaluator = SegmentationEvaluator(7, boundary=False)
    evaluator.update(*one)
    result = evaluator.compute()
    assert result.boundary_iou is None
    assert result.to_json()["IoU"] == evaluate([one], 7).to_json()["IoU"]


def test_inference_mode_may_come_and_go() -> None:
    [one, two] = random_maps(2, 7, sizes=[(50, 40), (30, 20)])
    evaluator = SegmentationEvaluator(7)
    with torch.inference_mode():
        evaluator.update(one.predicted.clone(), one.target)
    evaluator.update(*two)
    assert evaluator.compute().to_json() == evaluate([one, two], 7).to_json()


@pytest.mark.parametrize("num_classes", [0, 256])
def test_numbers_of_classes_are_checked(num_classes: int) -> None:
    with pytest.raises(ConfigError, match=f"num_classes is {num_classes}; expected 1 to 255"):
        SegmentationEvaluator(num_classes)


def test_numbers_of_names_are_checked() -> None:
    with refuses(ConfigError, "2 class", "3 classes"):
        SegmentationEvaluator(3).compute(["a", "b"])


@pytest.mark.gpu
def test_a_gpu_counts_the_same() -> None:
    maps = random_maps(8, 150, sizes=[(60, 80), (130, 90)], block=25)
    there = [Maps(one.predicted.cuda(), one.target) for one in maps]
    assert evaluate(there, 150).to_json() == evaluate(maps, 150).to_json()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each of two processes has written."""
    return answers_of_two("gather_segmentation.py", tmp_path_factory.mktemp("gather"))


@pytest.mark.parametrize("name", SHARES)
def test_two_processes_get_what_one_gets(answers: list[Any], name: str) -> None:
    alone = SegmentationEvaluator(CLASSES)
    for one in random_maps(SEED, CLASSES, sizes=SIZES):
        alone.update(*one)
    expected = measured(alone)
    for answer in answers:
        assert answer[name] == [expected, expected]  # bit for bit
