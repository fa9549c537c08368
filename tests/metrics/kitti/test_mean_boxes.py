"""Mean boxes at rectangles, against the boxes that the rectangles are of."""

import math

import numpy as np
import pytest
import torch
from helpers.kitti_objects import CAMERA, CARS, objects_of

from vision.annotations.kitti import parse_objects
from vision.metrics.kitti.mean_boxes import MeanBox, frequent_yaw, mean_boxes, place_boxes
from vision.ops.box_projection import project_points


def test_means_are_of_each_class() -> None:
    first, second = objects_of(CARS[:1]), objects_of([[1.7, 1.8, 4.4, 0, 1.7, 20, -1.6]])
    means = mean_boxes([first, second, objects_of(CARS[:1], "Van")])
    assert [*means] == ["Car"]
    np.testing.assert_allclose(means["Car"].size, [1.6, 1.7, 4.2])
    assert means["Car"].yaw == pytest.approx(-1.55)


def test_the_most_frequent_yaw_is_a_mean_across_the_end_of_the_turn() -> None:
    assert frequent_yaw(np.array([3.12, -3.12, 3.1, 0.2, 1.5, 1.6])) == pytest.approx(
        (3.12 + 3.1 + 2 * math.pi - 3.12) / 3
    )
    assert frequent_yaw(np.array([-1.57, -1.59, 1.57])) == pytest.approx(-1.58)


def test_height_gives_the_depth_of_what_is_upright() -> None:
    means = {"Car": MeanBox(np.array([1.5, 1.6, 4.0]), -1.5)}
    objects = parse_objects("Car 0 0 0 100 50 160 80 1 1 1 0 0 9 0", "a test", scored=False)
    found = place_boxes(objects, means, CAMERA)
    middle = torch.from_numpy(found.locations - [0, 0.75, 0])
    places, depth = project_points(middle, torch.from_numpy(CAMERA))
    np.testing.assert_allclose(places, [[130, 65]])
    np.testing.assert_allclose(depth, [300 * 1.5 / 30])
    np.testing.assert_allclose(found.boxes, [[100, 50, 160, 80]])


def test_fitted_boxes_are_those_that_rectangles_are_of() -> None:
    objects = objects_of([*CARS, [1.5, 1.6, 4.0, 0.0, 1.7, 20.0, 1.0]])
    means = {"Car": MeanBox(np.array([1.5, 1.6, 4.0]), -1.5)}
    found = place_boxes(objects, means, CAMERA, rounds=12)
    np.testing.assert_allclose(found.locations[:3], objects.locations[:3], atol=0.01)
    np.testing.assert_allclose(found.rotation, -1.5)
    rows = objects.boxes[:, 3] - objects.boxes[:, 1]
    assert np.array_equal(np.argsort(found.scores), np.argsort(rows))
    assert np.abs(found.locations[3] - objects.locations[3]).max() > 0.05  # its yaw is another
    by_height = place_boxes(objects, means, CAMERA)
    # The near ends of the cars are half a length before their middles, and rectangles hold some of
    # the roofs.
    gap = objects.locations[:3, 2] - by_height.locations[:3, 2]
    assert ((gap > 2) & (gap < 2.6)).all()


def test_an_image_without_known_objects_has_no_boxes() -> None:
    means = {"Car": MeanBox(np.array([1.5, 1.6, 4.0]), -1.5)}
    for objects in (objects_of(CARS, "Tram"), parse_objects("", "a test", scored=False)):
        assert len(place_boxes(objects, means, CAMERA, rounds=2).classes) == 0
