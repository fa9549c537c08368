import math
from types import SimpleNamespace

import numpy as np
import pytest

from vision.metrics.calibration import Calibration
from vision.metrics.precision_recall import precision_recall
from vision.report.parts import (
    MAX_IN_MATRIX,
    calibration_html,
    calibration_json,
    class_table,
    confusion_html,
    confusion_json,
    curve_json,
    curves_html,
    image_name,
    known,
    knowns,
    unknown,
)


def test_pairs_are_sorted_by_their_count() -> None:
    parts = confusion_json(np.array([[8, 2, 0], [5, 4, 1], [0, 0, 0]]), ["a", "b", "c"])
    assert [(p["true"], p["predicted"], p["count"]) for p in parts["pairs"]] == [
        ("b", "a", 5),
        ("a", "b", 2),
        ("b", "c", 1),
    ]
    assert parts["pairs"][0]["share"] == 0.5
    assert parts["matrix"][0] == [8, 2, 0]


def test_many_classes_are_listed_and_few_are_drawn() -> None:
    count = MAX_IN_MATRIX + 2
    names = [str(i) for i in range(count)]
    many = confusion_html(
        confusion_json(np.ones((count, count), int), names), unit="images", title="T"
    )
    few = confusion_html(confusion_json(np.ones((2, 2), int), names[:2]), unit="images", title="T")
    assert ("<svg" in many, "<svg" in few) == (False, True)
    assert "Most confused pairs" in many


def test_a_calibration_shows_its_error() -> None:
    calibration = Calibration.of(np.array([0.95, 0.95]), np.array([True, False]))
    parts = calibration_json(calibration)
    assert parts["ece"] == pytest.approx(0.45)
    assert parts["accuracy"][-1] == 0.5
    assert parts["accuracy"][0] is None
    assert "<dd>0.4500</dd>" in calibration_html(parts, unit="images")


def test_curves_show_their_average_precision() -> None:
    curve = curve_json(precision_recall(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])))
    assert curve["average_precision"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert "a &lt; b (0.833)" in curves_html({"a < b": curve}, title="T")
    assert "<svg" not in curves_html({}, title="T")


def test_the_worst_class_comes_first_and_one_without_numbers_last() -> None:
    rows = [{"name": n, "f1": v} for n, v in (("good", 0.9), ("none", None), ("bad", 0.1))]
    shown = class_table(rows, {"f1": "F1"}, bars=["f1"], caption="C")
    assert shown.index("bad") < shown.index("good") < shown.index("none")


def test_numbers_that_are_not_there() -> None:
    assert known(-1) is None
    assert known(math.nan) is None
    assert known(0.5) == 0.5
    assert knowns([0.25, math.inf]) == [0.25, None]
    np.testing.assert_array_equal(unknown([0.25, None]), [0.25, math.nan])


def test_images_are_named_by_the_end_of_their_path() -> None:
    assert image_name(SimpleNamespace(paths=["/data/val/cat/1.jpg"]), 0) == "cat/1.jpg"
    indexed = SimpleNamespace(index=SimpleNamespace(paths=["1.jpg"]))
    assert image_name(indexed, 0) == "1.jpg"
    assert image_name(SimpleNamespace(), 7) == "image 7"
