"""Average precision by distance and occlusion: against the whole evaluation, and by hand."""

import numpy as np
import pytest
from helpers.kitti import random_scene

from vision.annotations.kitti import parse_objects
from vision.metrics.kitti.breakdown import (
    Group,
    break_down,
    distance_groups,
    error_rows,
    group_rows,
    occlusion_groups,
)
from vision.metrics.kitti.evaluation import CLASSES, evaluate_objects
from vision.metrics.kitti.joined import Joined, join_images
from vision.metrics.kitti.pairs import Errors, pair_objects

NEAR = "Car 0 0 0 100 100 200 200 1.5 1.6 4 0 1.6 19 0"
FAR = "Car 0 1 0 400 100 500 200 1.5 1.6 4 9 1.6 45 0"


def images(truth: list[str], found: list[str], count: int = 60) -> Joined:
    """The same image many times: with few objects AP is low even if all are found."""
    parsed = [
        parse_objects("\n".join(lines), "the test", scored=scored)
        for lines, scored in ((truth, False), (found, True))
    ]
    return join_images([parsed[0]] * count, [parsed[1]] * count)


def by_distance(joined: Joined) -> dict[str, dict]:
    rows = group_rows(joined, "Car", distance_groups(joined), pair_objects(joined, "Car"))
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("name", CLASSES)
def test_a_group_of_all_objects_has_the_ap_of_the_evaluation(name: str) -> None:
    truth, found = random_scene(3, images=40)
    joined = join_images(truth, found)
    scores = evaluate_objects(truth, found, [name])
    every = Group("all", *(np.ones(len(side.classes), bool) for side in joined[:2]))
    (row,) = group_rows(joined, name, [every], pair_objects(joined, name))
    assert row["objects"] == scores.objects[0, 2]
    ap = scores.ap["R40"][:, :, 0, 2]
    assert [row["AP_BEV"], row["AP_BEV_loose"]] == pytest.approx(ap[:, 2].tolist())
    assert [row["AP_3D"], row["AP_3D_loose"]] == pytest.approx(ap[:, 3].tolist())
    assert row["AP_BEV_loose"] > 0


def test_each_distance_has_its_own_misses_and_false_detections() -> None:
    # A false detection at 45 m of the highest score, and a car at 19 m that is found.
    wrong = FAR.replace("400 100 500 200", "700 100 800 200").replace(" 9 1.6", " -9 1.6")
    rows = by_distance(images([NEAR, FAR], [NEAR + " 0.5", FAR + " 0.5", wrong + " 0.9"]))
    assert rows["10 to 20 m"]["AP_3D"] == 1
    assert rows["40 to 50 m"]["AP_3D"] == pytest.approx(0.5)
    missed = by_distance(images([NEAR, FAR], [NEAR + " 0.5"]))
    assert missed["10 to 20 m"]["AP_3D"] == 1
    assert (missed["40 to 50 m"]["AP_3D"], missed["40 to 50 m"]["seen"]) == (0, 0)
    empty = missed["20 to 30 m"]
    assert (empty["objects"], empty["AP_3D"], empty["seen"]) == (0, None, None)


def test_a_detection_beyond_the_border_of_its_object_is_a_match() -> None:
    # At 20.1 m for a car at 19.9 m: it is found, and not false at 20 to 30 m.
    truth = [NEAR.replace(" 19 0", " 19.9 0"), FAR.replace(" 45 0", " 25 0")]
    found = [NEAR.replace(" 19 0", " 20.1 0") + " 0.9", truth[1] + " 0.5"]
    rows = by_distance(images(truth, found))
    assert rows["10 to 20 m"]["AP_3D_loose"] == 1
    assert rows["20 to 30 m"]["AP_3D_loose"] == 1


def test_occlusion_divides_the_objects() -> None:
    joined = images([NEAR, FAR], [NEAR + " 0.5"])
    rows = group_rows(joined, "Car", occlusion_groups(joined), pair_objects(joined, "Car"))
    assert [row["objects"] for row in rows] == [60, 60, 0]
    assert [row["AP_BEV"] for row in rows] == [1, 0, None]


def test_errors_by_distance_are_those_of_its_pairs() -> None:
    distance = np.array([5.0, 15, 15, 15, 70])
    offset = np.zeros((5, 3))
    offset[:, 2] = [0.1, -1, 2, 3, -8]
    offset[:, 0] = [0, 1, -1, 4, 0]
    yaw = np.radians([10.0, 0, 10, 170, 5])
    errors = Errors(distance, offset, np.zeros((5, 3)), yaw, np.array([0.9, 0.2, 0.4, 0.6, 0]))
    rows = error_rows(errors)
    assert [(row["near"], row["far"], row["pairs"]) for row in rows] == [
        (0, 10, 1),
        (10, 20, 3),
        (60, None, 1),
    ]
    middle = rows[1]
    assert middle["middle"] == 2
    assert middle["low"] == pytest.approx(-1 + 0.1 * 3)  # 5 % of the way over two steps
    assert (middle["depth_m"], middle["across_m"], middle["overlap"]) == (2, 1, pytest.approx(0.4))
    assert (middle["yaw_degrees"], middle["turned"]) == (pytest.approx(10), pytest.approx(1 / 3))


def test_a_class_without_objects_has_rows_without_numbers() -> None:
    numbers, _ = break_down(images([], [NEAR + " 0.9"], count=2), "Car")
    assert (numbers["objects"], numbers["pairs"], numbers["false"]) == (0, 0, 2)
    assert numbers["errors"] == []
    assert set(numbers["median"].values()) == {None}
    assert sum(numbers["yaw"]["counts"]) == 0
