"""Classes of points: sums over rooms, equal to those of pixels; refusals."""

import math

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st

from vision.contracts.points import IGNORED
from vision.errors import ConfigError, DataError
from vision.metrics.points.evaluator import PointEvaluator
from vision.metrics.segmentation import SegmentationEvaluator

NAMES = ["floor", "wall", "chair"]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_numbers_equal_those_of_pixels_on_the_same_arrays(seed: int, rooms: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = PointEvaluator(5), SegmentationEvaluator(5, boundary=False)
    for room in range(rooms):
        size = int(rng.integers(1, 40))
        truth = rng.choice([0, 1, 2, 4, IGNORED], size)
        found = rng.integers(0, 4, size)
        ours.update(str(room), found, truth)
        theirs.update(torch.from_numpy(found)[None], torch.from_numpy(truth)[None])
    points, pixels = ours.compute(), theirs.compute()
    assert np.array_equal(points.confusion, pixels.confusion)
    expected = pixels.scalars()
    assert points.scalars() == pytest.approx(
        {"mIoU": expected["mIoU"], "mAcc": expected["mAcc"], "OA": expected["aAcc"]}, nan_ok=True
    )
    np.testing.assert_array_equal(points.iou, pixels.iou)


def test_sums_over_rooms_by_hand() -> None:
    evaluator = PointEvaluator(3)
    # Of floor 3 of 4 are right and one chair is taken for it; walls are in neither room.
    evaluator.update("b", torch.tensor([0, 0, 2]), torch.tensor([0, 2, 2]))
    evaluator.update("a", torch.tensor([0, 0, 2, 1]), torch.tensor([0, 0, 0, IGNORED]))
    result = evaluator.compute(NAMES)
    assert result.iou.tolist()[0] == pytest.approx(3 / 5)
    assert result.iou.tolist()[2] == pytest.approx(1 / 3)
    assert math.isnan(result.iou[1])
    assert (result.mIoU, result.mAcc, result.OA) == pytest.approx((7 / 15, 5 / 8, 4 / 6))
    first, second = result.room_rows()
    assert (first["room"], first["points"], first["OA"]) == ("a", 3, pytest.approx(2 / 3))
    # The prediction has chairs that are not in the room.
    assert first["mIoU"] == pytest.approx((2 / 3 + 0) / 2)
    assert (first["IoU_floor"], first["IoU_wall"]) == (pytest.approx(2 / 3), None)
    assert (second["room"], second["IoU_chair"]) == ("b", pytest.approx(1 / 2))
    written = result.to_json()
    assert written["IoU"] == pytest.approx({"floor": 3 / 5, "wall": None, "chair": 1 / 3})
    assert written["OA"] == result.OA
    assert written["rooms"] == [first, second]
    table = result.table()
    assert "OA 0.6667 of 6 points" in table
    assert table.splitlines()[3].split()[:2] == ["wall", "-"]


def test_a_room_counts_once_and_none_have_no_value() -> None:
    evaluator = PointEvaluator(2)
    assert math.isnan(evaluator.compute().mIoU)
    for _ in range(2):
        evaluator.update("a", np.array([0, 1]), np.array([0, 0]))
    assert (len(evaluator), evaluator.compute().confusion.sum()) == (1, 2)
    evaluator.reset()
    evaluator.update("b", np.array([7]), np.array([IGNORED]))
    (row,) = evaluator.compute().room_rows()
    assert (row["points"], row["mIoU"], row["OA"]) == (0, None, None)


def test_what_is_no_class_is_refused_and_not_counted() -> None:
    evaluator = PointEvaluator(2)
    with refuses(DataError, "office_1", "(3,)", "(2,)"):
        evaluator.update("office_1", np.zeros(3, int), np.zeros(2, int))
    with refuses(DataError, "office_1", "labels have the class 5", "1 points", "0 to 1"):
        evaluator.update("office_1", np.zeros(2, int), np.array([0, 5]))
    with refuses(DataError, "prediction has the class -1", "others: 3"):
        evaluator.update("office_1", np.array([3, -1]), np.zeros(2, int))
    with refuses(DataError, "float32", "argmax"):
        evaluator.update("office_1", torch.zeros(2), torch.zeros(2))
    assert len(evaluator) == 0
    with refuses(ConfigError, "3 class names", "2 classes"):
        evaluator.compute(NAMES)
    with refuses(ConfigError, "num_classes is 256", "1 to 255"):
        PointEvaluator(256)
