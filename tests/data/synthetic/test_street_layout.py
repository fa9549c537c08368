"""Random streets: what stands where, by the package's own overlaps."""

import numpy as np
import pytest
import torch

from vision.data.synthetic.street_layout import MAX_OUTSIDE, area, compose_street, rectangle
from vision.data.synthetic.street_world import Street
from vision.ops.rotated_iou import rotated_iou


def compose(place: int, *, held_out: bool = False) -> Street:
    rng = np.random.default_rng([3, int(held_out), place])
    return compose_street(rng, height=64, width=208, held_out=held_out)


@pytest.fixture(scope="module")
def streets() -> list[Street]:
    return [compose(place) for place in range(30)]


def test_things_stand_apart_on_the_road(streets: list[Street]) -> None:
    for street in streets:
        rows = [
            [one.bottom[0], one.bottom[2], *one.size[[0, 2]], -one.yaw] for one in street.things
        ]
        outlines = torch.tensor(np.array(rows))
        overlap = rotated_iou(outlines, outlines)
        assert torch.equal(overlap > 0, torch.eye(len(rows), dtype=torch.bool))
        for thing in street.things:
            places = street.places(thing.corners()[:4])
            # Boxes are upright in the camera's frame, against which the ground leans.
            assert abs(places[:, 2]).max() < 0.05
            assert abs(street.places(thing.bottom)[2]) < 0.006
            assert street.houses[0].distance < places[:, 0].min()
            assert places[:, 0].max() < street.houses[1].distance
            whole, inside = rectangle(street, thing)
            assert area(inside) >= (1 - MAX_OUTSIDE) * area(whole) > 0


def test_numbers_kinds_and_distances(streets: list[Street]) -> None:
    counts = [len(street.things) for street in streets]
    assert min(counts) >= 3
    assert max(counts) <= 8
    things = [thing for street in streets for thing in street.things]
    distances = np.array([thing.bottom[2] for thing in things])
    assert 4.9 < distances.min() < 9
    assert 40 < distances.max() < 51
    assert 0.5 < (distances < 30).mean() < 0.9
    kinds = [thing.kind for thing in things]
    assert 0.45 < kinds.count("Car") / len(kinds) < 0.8
    assert set(kinds) == {"Car", "Van", "Pedestrian", "Cyclist"}
    cars = np.array([thing.size for thing in things if thing.kind == "Car"])
    np.testing.assert_allclose(cars.mean(axis=0), [3.88, 1.53, 1.63], rtol=0.05)
    # Most cars look along the road, both ways; some do not.
    yaws = np.array([thing.yaw for thing in things if thing.kind == "Car"])
    along = np.abs(np.sin(yaws)) > 0.9
    assert 0.55 < along.mean() < 0.95
    assert 0.25 < (np.sin(yaws[along]) < 0).mean() < 0.75
    for thing in things:
        numbers = np.array([*thing.size, *thing.bottom, thing.yaw])
        np.testing.assert_allclose(numbers, numbers.round(2), atol=1e-12)


def test_held_out_streets_are_others(streets: list[Street]) -> None:
    held_out = [compose(place, held_out=True) for place in range(30)]

    def bands(chosen: list[Street]) -> set[int]:
        return {int((one.half_road_m - 3.4) / (5.2 - 3.4) * 7) for one in chosen}

    assert bands(streets) == {0, 2, 4, 6}
    assert bands(held_out) == {1, 3, 5}
