"""Rays in streets against cases by hand, and boxes against those of the package."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.streets import make_street, make_thing

from vision.contracts.boxes3d import CAMERA
from vision.data.synthetic.street_materials import (
    COLORS,
    FRONT,
    LEFT,
    REAR,
    REFLECTANCE,
    RIGHT,
    TOP,
    Material,
)
from vision.data.synthetic.street_world import (
    GROUND,
    LEFT_HOUSES,
    RIGHT_HOUSES,
    SKY,
    Thing,
)
from vision.ops.boxes3d import box_axes, box_corners, from_kitti


@pytest.mark.parametrize(
    ("yaw", "face", "reach"),
    # The camera looks along z: at the right side of what faces to the right, and so on.
    [(0.0, RIGHT, 9.2), (-math.pi / 2, REAR, 8.0), (math.pi / 2, FRONT, 8.0), (math.pi, LEFT, 9.2)],
)
def test_a_ray_enters_the_face_that_looks_at_it(yaw: float, face: int, reach: float) -> None:
    thing = make_thing(0.0, 10.0, yaw)
    rays = np.array([[0.0, 0.08, 1.0], [0.0, 0.4, 1.0], [0.6, 0.08, 1.0], [0.0, -0.08, -1.0]])
    found, faces = thing.meet(np.zeros(3), rays)
    assert found[0] == pytest.approx(reach)
    assert faces[0] == face
    assert np.isinf(found[1:]).all()  # too low, beside it, behind the camera
    found, faces = thing.meet(np.array([0.0, -5.0, 10.0]), np.array([[0.0, 1.0, 0.0]]))
    assert (found[0], faces[0]) == (pytest.approx(5.1), TOP)


def test_boxes_are_those_of_the_package() -> None:
    thing = make_thing(1.5, 12.0, 0.7)
    box = from_kitti(torch.tensor([1.5, 1.6, 4.0, 1.5, 1.6, 12.0, 0.7], dtype=torch.float64))
    np.testing.assert_allclose(thing.axes, box_axes(box, CAMERA).numpy(), atol=1e-12)
    np.testing.assert_allclose(thing.corners(), box_corners(box, CAMERA).numpy(), atol=1e-12)


def test_rays_that_miss_a_box_pass_no_point_of_it() -> None:
    rng = np.random.default_rng(4)
    thing = make_thing(0.5, 6.0, 0.4)
    rays = np.concatenate([rng.uniform(-0.5, 0.5, (300, 2)), np.ones((300, 1))], axis=1)
    found = thing.meet(np.zeros(3), rays)[0]
    steps = np.linspace(2, 12, 800)
    inside = (np.abs(thing.own(rays[:, None] * steps[:, None])) < thing.half).all(-1)
    hit = np.isfinite(found)
    assert 50 < hit.sum() < 250
    assert not inside[~hit].any()
    first = steps[inside.argmax(axis=1)]
    entered = inside.any(axis=1)
    assert (hit & ~entered).sum() <= 10  # a corner between two steps
    gap = (first - found)[entered]
    assert (gap >= 0).all()
    assert gap.max() <= steps[1] - steps[0]


def test_rays_meet_ground_houses_and_sky() -> None:
    street = make_street()
    rays = np.array(
        [
            [0.0, 0.16, 1.0],  # down: the ground after 10 m
            [0.0, -0.1, 1.0],  # up
            [1.0, 0.0, 1.0],  # to the right front, 4 m beside the camera
            [-1.0, 0.0, 1.5],  # to the left, 8 m beside: at b = 12 there is a gap
            [-1.0, 0.0, 1.0],
            [-1.0, -0.5, 1.0],  # over its roof: 4 m up from 1.6 m
            [-1.0, -0.4, 1.0],
        ]
    )
    reached, kind = street.meet(np.zeros(3), rays)
    kinds = [GROUND, SKY, RIGHT_HOUSES, SKY, LEFT_HOUSES, SKY, LEFT_HOUSES]
    assert kind.tolist() == kinds
    infinite = np.inf
    np.testing.assert_allclose(reached, [10, infinite, 4, infinite, 8, infinite, 8])


def test_places_are_counted_from_the_middle_of_the_road() -> None:
    street = make_street()
    np.testing.assert_allclose(street.places(np.array([1.0, 1.6, 7.0])), [3, 7, 0], atol=1e-12)
    turned = replace(street, heading_rad=0.3)
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(turned.points(turned.places(points)), points, atol=1e-12)
    # A road to the right: a point ahead of the camera is on its left.
    assert turned.places(np.array([0.0, 1.6, 10.0]))[0] < 2


def test_materials_of_the_ground_by_hand() -> None:
    places = np.array([[0.0, 1.0, 0], [0.0, 5.0, 0], [3.75, 5, 0], [-4.5, 5, 0], [5.5, 5, 0]])
    found = make_street().materials(places, GROUND)
    expected = ["MARKING", "ROAD", "MARKING", "PAVEMENT", "GRASS"]
    assert [Material(one).name for one in found] == expected
    assert len(COLORS) == len(REFLECTANCE) == len(Material)


def test_a_car_shows_where_it_looks() -> None:
    def of(thing: Thing, forward: float, left: float, up: float, face: int) -> str:
        place = thing.center + thing.axes @ (thing.half * (forward, left, 2 * up - 1))
        return Material(int(thing.materials(place[None], np.array([face]))[0])).name

    car = make_thing(1.0, 9.0, 0.4)
    for left in (-0.8, 0.8):
        assert of(car, 1, left, 0.43, FRONT) == "HEADLIGHT"
        assert of(car, -1, left, 0.43, REAR) == "TAIL_LIGHT"
    for side, left in ((LEFT, 1), (RIGHT, -1)):
        assert of(car, 0.99, left, 0.46, side) == "HEADLIGHT"
        assert of(car, -0.99, left, 0.46, side) == "TAIL_LIGHT"
        assert of(car, 0.62, left, 0.2, side) == "HUB"
        assert of(car, 0.3, left, 0.7, side) == "GLASS"
    assert of(car, 0.4, 0, 1, TOP) == "GLASS"
    assert of(car, -0.4, 0, 1, TOP) == "BODY"
    person = make_thing(1.0, 9.0, 0.4, "Pedestrian", (0.8, 1.8, 0.6))
    assert of(person, 1, 0, 0.92, FRONT) == "SKIN"
    assert of(person, -1, 0, 0.92, REAR) == "HAIR"
