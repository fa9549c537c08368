"""Pairs of objects and detections in the image, and their errors, by hand."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vision.annotations.kitti import KittiObjects, parse_objects
from vision.metrics.kitti.joined import Joined, join_images
from vision.metrics.kitti.pairs import measure_errors, pair_objects, score_images

CAR = "Car 0 0 0 100 100 200 200 1.5 1.6 4 0 1.6 20 0"
HARD = "Car 0 3 0 100 100 200 200 1.5 1.6 4 0 1.6 20 0"  # hidden too much to count
OTHER = "Car 0 0 0 400 100 500 200 1.5 1.6 4 5 1.6 30 0"


def objects(*lines: str, scored: bool = False) -> KittiObjects:
    return parse_objects("\n".join(lines), "the test", scored=scored)


def joined(truth: list[str], found: list[str]) -> Joined:
    return join_images([objects(*truth)], [objects(*found, scored=True)])


def test_a_pair_is_made_in_the_image_however_wrong_the_depth_is() -> None:
    far = CAR.replace("0 1.6 20 0", "0.5 2.4 32 0.3") + " 0.9"
    images = joined([CAR], [far])
    pairs = pair_objects(images, "Car")
    assert pairs.found.tolist() == [0]
    assert pairs.overlap.tolist() == [0]
    assert not len(pairs.false)
    assert not len(pair_objects(images, "Cyclist").counting)


def test_detections_choose_by_falling_score_and_take_an_object_once() -> None:
    # 100 x 100 pixels; shifted by 10 columns they share 9/11.
    shifted = CAR.replace("100 100 200 200", "110 100 210 200")
    pairs = pair_objects(joined([CAR], [CAR + " 0.3", shifted + " 0.8"]), "Car")
    assert pairs.found.tolist() == [1]
    assert pairs.false.tolist() == [0]
    # Of two objects the one that overlaps more.
    pairs = pair_objects(joined([shifted, CAR], [CAR + " 0.3"]), "Car")
    assert pairs.found.tolist() == [-1, 0]
    # A third of the union is not enough.
    half = CAR.replace("100 100 200 200", "150 100 250 200")
    pairs = pair_objects(joined([CAR], [half + " 0.9"]), "Car")
    assert pairs.found.tolist() == [-1]
    assert pairs.false.tolist() == [0]


def test_what_need_not_be_found_makes_no_detection_false() -> None:
    van, region = CAR.replace("Car", "Van"), "DontCare -1 -1 -10 100 100 200 200 -1 -1 -1 0 0 0 -10"
    low = CAR.replace("100 100 200 200", "100 100 200 120")
    walker = CAR.replace("Car", "Pedestrian")
    for truth, found in (([van], CAR), ([HARD], CAR), ([region], CAR), ([], low), ([], walker)):
        pairs = pair_objects(joined(truth, [found + " 0.9"]), "Car")
        assert not len(pairs.counting)
        assert not len(pairs.false)
    # What counts is taken first.
    pairs = pair_objects(joined([HARD, CAR], [CAR + " 0.9"]), "Car")
    assert pairs.counting.tolist() == [1]
    assert pairs.found.tolist() == [0]


def test_errors_are_those_of_centres_sizes_and_directions() -> None:
    # Half a metre to the right, 2 m too far, 0.3 m higher, and so its centre half of that.
    found = "Car 0 0 0 100 100 200 200 1.8 1.6 3 0.5 1.6 22 2.5 0.9"
    truth = CAR.replace(" 0 1.6 20 0", " 0 1.6 20 -2.5")
    images = joined([truth], [found])
    errors = measure_errors(images, pair_objects(images, "Car"))
    assert errors.distance.tolist() == [20]
    np.testing.assert_allclose(errors.offset, [[0.5, -0.15, 2]], atol=1e-12)
    np.testing.assert_allclose(errors.size, [[0.2, 0, -0.25]], atol=1e-12)
    np.testing.assert_allclose(errors.yaw, [2 * math.pi - 5], atol=1e-12)


@pytest.mark.parametrize("turns", [-3, -1, 0, 2])
def test_the_error_of_yaw_is_the_angle_between_directions(turns: int) -> None:
    for a, b in np.random.default_rng(0).uniform(-4, 4, (20, 2)):
        truth = CAR[: CAR.rindex(" ")] + f" {a}"
        found = CAR[: CAR.rindex(" ")] + f" {b + 2 * math.pi * turns} 0.9"
        images = joined([truth], [found])
        (yaw,) = measure_errors(images, pair_objects(images, "Car")).yaw
        between = Rotation.from_euler("y", a).inv() * Rotation.from_euler("y", b)
        assert yaw == pytest.approx(between.magnitude(), abs=1e-9)


def test_an_image_is_scored_by_its_overlaps_in_space() -> None:
    # Half of its length too far ahead: 2 of 6 m are shared, by 1.5 and 1.6 m.
    ahead = CAR.replace(" 0 1.6 20 0", " 2 1.6 20 0") + " 0.9"
    truth = [[CAR, OTHER], [CAR], [], [], [CAR]]
    found = [[ahead], [CAR + " 0.9", OTHER + " 0.1"], [], [CAR + " 0.2"], []]
    images = join_images(
        [objects(*one) for one in truth], [objects(*one, scored=True) for one in found]
    )
    scores, count = score_images(images, [pair_objects(images, "Car")])
    np.testing.assert_allclose(scores, [2 / 3 / 3, 2 / 3, 1, 0, 0], atol=1e-12)
    assert count.tolist() == [2, 1, 0, 0, 1]
    # Classes are put together.
    both = score_images(images, [pair_objects(images, name) for name in ("Cyclist", "Car")])
    np.testing.assert_array_equal(both[0], scores)
