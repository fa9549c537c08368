"""Which boxes of nuScenes' tables and results count."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from helpers.nuscenes import Tables
from helpers.refusals import refuses

from vision.annotations.nuscenes import NuScenesTables, read_nuscenes
from vision.annotations.nuscenes_names import CLASSES
from vision.annotations.nuscenes_results import Detections
from vision.errors import DataError
from vision.metrics.nuscenes.boxes import annotated_boxes, found_boxes

SIZE = [1.0, 2.0, 1.0]


def detections(names: list[str], places: list[list[float]]) -> Detections:
    count = len(names)
    return Detections(
        samples=np.zeros(count, dtype=np.int64),
        labels=np.array([CLASSES.index(name) for name in names], dtype=np.int64),
        attributes=np.full(count, -1),
        scores=np.ones(count),
        centres=np.array(places),
        sizes=np.ones((count, 3)),
        rotations=np.tile([1.0, 0, 0, 0], (count, 1)),
        velocities=np.zeros((count, 2)),
    )


def tables_of(folder: Path, *boxes: tuple[str, list[float], tuple[int, int]]) -> NuScenesTables:
    """One key frame of a vehicle at (100, 0); racks are turned by a quarter."""
    tables = Tables()
    frame = tables.sample(tables.scene("scene-0001"), 0, [100.0, 0.0, 0.0], 1.0)
    for category, place, points in boxes:
        yaw = math.pi / 2 if category == "static_object.bicycle_rack" else 0.0
        size = [2.0, 6.0, 2.0] if yaw else SIZE
        tables.annotation(frame, tables.instance(category), place, size, yaw, points=points)
    return read_nuscenes(tables.write(folder))


@pytest.mark.parametrize(
    ("name", "category", "limit"),
    [
        ("car", "vehicle.car", 50),
        ("pedestrian", "human.pedestrian.child", 40),
        ("bicycle", "vehicle.bicycle", 40),
        ("traffic_cone", "movable_object.trafficcone", 30),
        ("barrier", "movable_object.barrier", 30),
    ],
)
def test_boxes_count_nearer_than_the_range_of_their_class(
    name: str, category: str, limit: float, tmp_path: Path
) -> None:
    # 3, 4, 5: the range is that on the ground, whatever the height.
    places = [[100 + 0.6 * far, 0.8 * far, 70.0] for far in (limit - 0.01, limit + 0.01)]
    tables = tables_of(tmp_path, *((category, place, (1, 0)) for place in places))
    assert annotated_boxes(tables).centres.tolist() == places[:1]
    assert found_boxes(tables, detections([name] * 2, places)).centres.tolist() == places[:1]


def test_annotations_need_a_point_of_the_lidar_or_a_radar(tmp_path: Path) -> None:
    numbers = [(0, 0), (1, 0), (0, 1), (2, 2)]
    cars = [("vehicle.car", [100.0 + i, 0.0, 0.0], points) for i, points in enumerate(numbers)]
    boxes = annotated_boxes(tables_of(tmp_path, *cars, ("animal", [100.0, 0, 0], (5, 5))))
    assert boxes.centres[:, 0].tolist() == [101, 102, 103]


def test_cycles_in_racks_do_not_count(tmp_path: Path) -> None:
    # The rack reaches from y = -3 to 3, and from x = 109 to 111.
    rack = ("static_object.bicycle_rack", [110.0, 0.0, 1.0], (0, 0))
    inside, beside, above = [110.9, 2.9, 1.5], [112.5, 0.0, 1.0], [110.0, 0.0, 2.1]
    names = ["bicycle", "motorcycle", "bicycle", "bicycle", "pedestrian"]
    places = [inside, inside, beside, above, inside]
    categories = [f"vehicle.{name}" for name in names[:4]] + ["human.pedestrian.adult"]
    boxes = [(name, place, (1, 0)) for name, place in zip(categories, places, strict=True)]
    tables = tables_of(tmp_path, *boxes, rack)
    assert annotated_boxes(tables).centres.tolist() == places[2:]
    assert found_boxes(tables, detections(names, places)).centres.tolist() == places[2:]


def test_sets_that_cannot_be_evaluated_are_refused(tmp_path: Path) -> None:
    car = ("vehicle.car", [100.0, 0.0, 0.0], (1, 0))
    tables_of(tmp_path, car)
    whole = {name: (tmp_path / f"{name}.json").read_text() for name in ("attribute", "sensor")}
    renamed = json.loads(whole["attribute"])
    annotation = json.loads((tmp_path / "sample_annotation.json").read_text())
    annotation[0]["attribute_tokens"] = [renamed[0]["token"]]
    renamed[0]["name"] = "vehicle.flying"
    (tmp_path / "attribute.json").write_text(json.dumps(renamed))
    (tmp_path / "sample_annotation.json").write_text(json.dumps(annotation))
    with refuses(DataError, "attribute.json", "vehicle.flying", "vehicle.parked"):
        annotated_boxes(read_nuscenes(tmp_path))
    (tmp_path / "attribute.json").write_text(whole["attribute"])
    (tmp_path / "sensor.json").write_text(whole["sensor"].replace("LIDAR_TOP", "LIDAR_ROOF"))
    with refuses(DataError, "sample_data.json", "LIDAR_TOP"):
        annotated_boxes(read_nuscenes(tmp_path))
    (tmp_path / "sample_annotation.json").write_text("[]")
    with refuses(DataError, "sample_annotation.json", "no box", "v1.0-mini"):
        annotated_boxes(read_nuscenes(tmp_path))
