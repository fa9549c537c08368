"""What is kept and what is learned of a sweep."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses

from vision.data.index.lidar import SweepObjects, SweepView
from vision.data.transforms.lidar import (
    LidarEvalTransform,
    LidarTrainTransform,
    sample_motion,
    seen_points,
)
from vision.data.transforms.lidar_options import LidarAugment, ObjectPasting
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError
from vision.ops.box_projection import project_points
from vision.ops.points_in_boxes import points_in_boxes

STILL = LidarAugment(mirror=(0, 0), rotation=0, scale=(1, 1))
RANGE = (0.0, -20.0, -3.0, 40.0, 20.0, 2.0)
# x forward, y left, z up to x right, y down, z forward.
TO_CAMERA = np.array([[0, -1.0, 0, 0.1], [0, 0, -1, -0.2], [1, 0, 0, -0.3], [0, 0, 0, 1]])
VIEW = SweepView(
    TO_CAMERA, np.array([[70.0, 0, 60, 4], [0, 70, 20, 0.1], [0, 0, 1, 0]]), np.array([40, 120])
)
BOXES = np.array(
    [[10.0, 1, -1, 4, 1.5, 2, 0.3], [20, -5, -1, 2, 1.7, 1, 2], [30, 0, 0, 4, 2, 2, 0]]
)
OBJECTS = SweepObjects(BOXES, np.array([1, -1, 2]))


def points(count: int = 4000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = [-10, -25, -4, 0], [45, 25, 3, 1]
    near = BOXES[rng.integers(0, 2, 200), :3] + rng.uniform(-0.4, 0.4, (200, 3))
    anywhere = rng.uniform(low, high, (count, 4))
    return np.concatenate([anywhere, np.c_[near, np.zeros(200)]]).astype(np.float32)


def train(augment: LidarAugment = STILL, **options: Any) -> LidarTrainTransform:
    given = {"min_points": 1, "point_range": RANGE, "in_view": True, **options}
    return LidarTrainTransform(augment, **given)


def test_seen_points_are_those_that_project_into_the_image() -> None:
    cloud = points()
    places = torch.from_numpy(cloud[:, :3]).double()
    in_camera = places @ torch.from_numpy(TO_CAMERA[:3, :3]).T + torch.from_numpy(TO_CAMERA[:3, 3])
    pixels, depth = project_points(in_camera, torch.from_numpy(VIEW.camera))
    expected = (depth > 0) & (pixels >= 0).all(1) & (pixels < torch.tensor([120, 40])).all(1)
    assert (seen_points(cloud, VIEW) == expected.numpy()).all()
    assert 0 < expected.sum() < len(cloud)


def test_evaluation_keeps_what_is_in_the_range_in_order() -> None:
    cloud = points()
    transform = LidarEvalTransform(point_range=RANGE, in_view=False)
    made = transform.change(transform.visible(cloud, VIEW), VIEW)
    inside = ((cloud[:, :3] >= RANGE[:3]) & (cloud[:, :3] < RANGE[3:])).all(1)
    assert (made.points == cloud[inside]).all()
    assert made.objects is None
    seen = LidarEvalTransform(point_range=RANGE, in_view=True)
    assert len(seen.change(seen.visible(cloud, VIEW), VIEW).points) < len(made.points)
    assert seen.options == {"point_range": [*RANGE], "in_view": True}


def test_learned_objects_have_points_a_class_and_a_place_in_the_range() -> None:
    cloud = points(0)
    assert train().change(cloud, VIEW, OBJECTS).objects.labels.tolist() == [1]  # type: ignore[union-attr]
    known = replace_labels(OBJECTS)
    made = train(min_points=1).change(cloud, VIEW, known)
    assert made.objects is not None
    assert made.objects.labels.tolist() == [1, 0]  # the third has no point
    assert train(min_points=0).change(cloud, VIEW, known).objects.labels.tolist() == [1, 0, 2]  # type: ignore[union-attr]
    assert train(min_points=10**6).change(cloud, VIEW, known).objects.labels.tolist() == []  # type: ignore[union-attr]
    near = train(point_range=(0, -20, -3, 15, 20, 2)).change(cloud, VIEW, known)
    assert near.objects.labels.tolist() == [1]  # type: ignore[union-attr]
    assert train().change(cloud, VIEW, None).objects is None


def replace_labels(objects: SweepObjects) -> SweepObjects:
    return objects._replace(labels=np.array([1, 0, 2]))


@pytest.mark.parametrize("seed", range(8))
def test_points_boxes_and_camera_move_together(seed: int) -> None:
    cloud, known = points(), replace_labels(OBJECTS)
    wide = (-90.0, -90.0, -9.0, 90.0, 90.0, 9.0)
    torch.manual_seed(seed)
    made = train(LidarAugment(), min_points=0, point_range=wide).change(cloud, VIEW, known)
    torch.manual_seed(seed)
    motion = sample_motion(LidarAugment(), SampleRng())
    assert abs(motion.angle) <= math.pi / 4
    assert 0.95 <= motion.scale <= 1.05
    assert made.objects is not None
    np.testing.assert_allclose(made.points, motion.points(cloud), atol=1e-4)
    before, after = (
        points_in_boxes(torch.from_numpy(places[:, :3]).double(), torch.from_numpy(boxes)).sum(1)
        for places, boxes in ((cloud, BOXES), (made.points, made.objects.boxes3d))
    )
    assert (abs(before - after) <= 1).all()  # float32 points at a border
    # The camera sees the moved points where it saw them.
    moved_view = replace_camera(VIEW, made.lidar_to_camera)
    assert (seen_points(made.points, moved_view) != seen_points(cloud, VIEW)).sum() <= 2


def replace_camera(view: SweepView, to_camera: np.ndarray) -> SweepView:
    return view._replace(lidar_to_camera=to_camera)


def test_a_sweep_that_would_be_empty_is_not_moved() -> None:
    cloud = points(0)[:100]
    narrow = (9.0, 0.0, -3.0, 11.0, 2.0, 1.0)
    torch.manual_seed(0)
    turned = replace(STILL, mirror=(1, 0))
    made = train(turned, point_range=narrow).change(cloud, VIEW, OBJECTS)
    assert (made.points == cloud[train(point_range=narrow).within(cloud)]).all()
    assert len(made.points)


def test_a_share_of_the_points_is_dropped() -> None:
    torch.manual_seed(0)
    cloud = points()
    whole = train().change(cloud, VIEW, None).points
    part = train(replace(STILL, dropped=0.25)).change(cloud, VIEW, None).points
    assert len(part) == pytest.approx(0.75 * len(whole), rel=0.05)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"point_range": (0, 0, 0, 1, 1)}, "6 numbers"),
        ({"point_range": (0, 0, 0, 0, 1, 1)}, "lower x, y and z first"),
        ({"min_points": -1}, "min_points=-1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], part: str) -> None:
    with refuses(ConfigError, part):
        train(**options)


def test_wrong_augmentation_is_named() -> None:
    for make in (
        lambda: LidarAugment(mirror=(0, 2)),
        lambda: LidarAugment(rotation=200),
        lambda: LidarAugment(dropped=1),
        lambda: LidarAugment(scale=(1.1, 1.0)),
        lambda: ObjectPasting(counts={"Car": -1}),
        lambda: ObjectPasting(max_difficulty="harder"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError):
            make()
