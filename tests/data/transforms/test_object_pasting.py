"""Pasted objects: as many as wanted, without overlaps, with their points and no others."""

from typing import Any

import numpy as np
import shapely
import torch
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st

from vision.contracts.boxes3d import LIDAR
from vision.data.index.lidar import SweepObjects
from vision.data.index.object_database import ObjectDatabase
from vision.data.transforms.lidar_options import ObjectPasting
from vision.data.transforms.object_pasting import ObjectPaster, free_boxes
from vision.errors import ConfigError, DataError
from vision.ops.boxes3d import box_corners
from vision.ops.points_in_boxes import points_in_boxes

NAMES = ("Pedestrian", "Car", "Cyclist")
# Of a point of the scene, and of an object by its index.
SCENE = -1.0


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.concatenate(
        [
            rng.uniform([0, -20, -2], [40, 20, 0], (count, 3)),
            rng.uniform([1, 1.4, 0.6], [5, 1.9, 2], (count, 3)),
            rng.uniform(-4, 4, (count, 1)),
        ],
        axis=1,
    )


def database(seed: int = 0, count: int = 60) -> ObjectDatabase:
    """Objects with one to twelve points near their centres, whose fourth number is their index."""
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, count)
    counts = rng.integers(1, 13, count)
    own = np.repeat(np.arange(count), counts)
    places = boxes[own, :3] + rng.uniform(-0.2, 0.2, (len(own), 3))
    return ObjectDatabase(
        class_names=("Car", "Cyclist", "Pedestrian"),
        labels=rng.integers(0, 3, count),
        levels=rng.integers(0, 4, count),
        boxes3d=boxes,
        starts=np.cumsum([0, *counts]),
        points=np.c_[places, own].astype(np.float32),
    )


def scene(seed: int) -> tuple[np.ndarray, SweepObjects]:
    rng = np.random.default_rng(seed)
    places = rng.uniform([0, -20, -2], [40, 20, 0], (3000, 3))
    boxes = random_boxes(rng, 5)
    boxes = boxes[free_boxes(boxes[:0], boxes)]
    labels = rng.integers(-1, 3, len(boxes))
    return np.c_[places, np.full(3000, SCENE)].astype(np.float32), SweepObjects(boxes, labels)


def paster(**options: Any) -> ObjectPaster:
    given = {"counts": dict.fromkeys(NAMES, 6), "min_points": {}, "max_difficulty": "any"}
    return ObjectPaster(database(), ObjectPasting(**{**given, **options}), NAMES, NAMES)


def areas(boxes: np.ndarray) -> list[shapely.Polygon]:
    corners = box_corners(torch.from_numpy(boxes), LIDAR)[:, :4, :2].numpy()
    return [shapely.Polygon(one) for one in corners]


@examples(20)
@given(seed=st.integers(0, 10_000))
def test_what_is_pasted(seed: int) -> None:
    points, objects = scene(seed)
    torch.manual_seed(seed)
    own = paster()
    found, joined = own.paste(points, objects)
    count = len(objects.labels)
    assert (joined.boxes3d[:count] == objects.boxes3d).all()
    assert (joined.labels[:count] == objects.labels).all()
    new = joined.boxes3d[count:]
    assert len(new)
    # No pasted box overlaps any other one, seen from above.
    ground = areas(joined.boxes3d)
    for i in range(count, len(ground)):
        for j in range(i):
            assert ground[i].intersection(ground[j]).area < 1e-9
    # At most six of a class, with those that were there.
    for label in range(3):
        assert (joined.labels == label).sum() <= max(6, (objects.labels == label).sum())
    # In pasted boxes are the points of their objects alone, all of them.
    rows = [int(np.flatnonzero((own.database.boxes3d == box).all(1))[0]) for box in new]
    inside = points_in_boxes(torch.from_numpy(found[:, :3]), torch.from_numpy(new)).numpy()
    for row, hits, label in zip(rows, inside, joined.labels[count:], strict=True):
        assert sorted(found[hits].tolist()) == sorted(own.database.points_of(row).tolist())
        assert NAMES[label] == own.database.class_names[own.database.labels[row]]
    # Every other point of the scene is still there, in order.
    covered = points_in_boxes(torch.from_numpy(points[:, :3]), torch.from_numpy(new)).any(0).numpy()
    assert (found[found[:, 3] == SCENE] == points[~covered]).all()


def test_points_and_difficulty_limit_what_is_pasted() -> None:
    own = paster(min_points={"Car": 9, "Cyclist": 3}, max_difficulty="moderate")
    data = own.database
    for label, rows in own.candidates.items():
        least = {"Car": 9, "Cyclist": 3}.get(NAMES[label], 1)
        wanted = [
            row
            for row in range(len(data))
            if data.class_names[data.labels[row]] == NAMES[label]
            and data.counts[row] >= least
            and data.levels[row] <= 1
        ]
        assert rows.tolist() == wanted
        assert wanted


def test_a_full_sweep_gets_nothing() -> None:
    points, objects = scene(0)
    full = paster(counts={"Car": 0})
    found, joined = full.paste(points, objects)
    assert found is points
    assert joined is objects


def test_a_sweep_without_objects_gets_some() -> None:
    points, objects = scene(0)
    found, joined = paster().paste(points, objects.take(np.zeros(len(objects.labels), bool)))
    assert len(joined.labels) > 6
    assert len(found)


def test_what_is_wrong_is_named() -> None:
    with refuses(ConfigError, "paste.counts", "'car'", "Did you mean 'Car'"):
        paster(counts={"car": 1})
    with refuses(ConfigError, "paste.min_points", "'Van'"):
        paster(min_points={"Van": 1})
    with refuses(DataError, "none of the 60 objects", "paste.max_difficulty='easy'"):
        paster(min_points=dict.fromkeys(NAMES, 99), max_difficulty="easy")
