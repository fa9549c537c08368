"""Points and boxes that move together: what was in a box stays in it."""

import math

import numpy as np
import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from vision.contracts.boxes3d import LIDAR
from vision.data.transforms import points as transforms
from vision.data.transforms.points import Motion
from vision.ops.boxes3d import box_axes, box_corners
from vision.ops.points_in_boxes import points_in_boxes

motions = st.builds(
    Motion,
    mirror=st.tuples(st.booleans(), st.booleans()),
    angle=st.floats(-7, 7),
    scale=st.floats(0.5, 2),
)


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 5) and boxes about many of them."""
    rng = np.random.default_rng(seed)
    boxes = np.concatenate(
        [rng.uniform(-20, 20, (6, 3)), rng.uniform(0.5, 6, (6, 3)), rng.uniform(-4, 4, (6, 1))], 1
    )
    near = boxes[rng.integers(0, 6, 300), :3] + rng.normal(0, 2, (300, 3))
    return np.concatenate([near, rng.random((300, 2))], axis=1), boxes


def inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return points_in_boxes(torch.from_numpy(points[:, :3]), torch.from_numpy(boxes)).numpy()


@examples(60)
@given(motion=motions, seed=st.integers(0, 1000))
def test_points_stay_in_their_boxes(motion: Motion, seed: int) -> None:
    points, boxes = scene(seed)
    before = inside(points, boxes)
    moved, moved_boxes = motion.points(points), motion.boxes(boxes)
    assert before.any()
    assert (inside(moved, moved_boxes) == before).all()
    assert (moved[:, 3:] == points[:, 3:]).all()
    np.testing.assert_allclose(points[:, :3] @ motion.matrix()[:3, :3].T, moved[:, :3], atol=1e-9)
    assert (moved_boxes[:, 6] >= -math.pi).all()
    assert (moved_boxes[:, 6] < math.pi).all()
    np.testing.assert_allclose(moved_boxes[:, 3:6], boxes[:, 3:6] * motion.scale)
    # The corners of a moved box are those of the box, moved; a mirror exchanges left and right.
    corners, wanted = (
        box_corners(torch.from_numpy(each), LIDAR).numpy() for each in (moved_boxes, boxes)
    )
    wanted = motion.points(wanted.reshape(-1, 3)).reshape(-1, 8, 3)
    if sum(motion.mirror) == 1:
        wanted = wanted[:, [1, 0, 3, 2, 5, 4, 7, 6]]
    np.testing.assert_allclose(corners, wanted, atol=1e-9)


@examples(30)
@given(motion=motions, seed=st.integers(0, 1000))
def test_directions_turn_with_the_boxes(motion: Motion, seed: int) -> None:
    _, boxes = scene(seed)
    forward = box_axes(torch.from_numpy(boxes), LIDAR)[..., 0].numpy()
    turned = box_axes(torch.from_numpy(motion.boxes(boxes)), LIDAR)[..., 0].numpy()
    np.testing.assert_allclose(motion.directions(forward), turned, atol=1e-12)


@pytest.mark.parametrize("axes", [(True, False), (False, True), (True, True)])
def test_two_mirrors_undo_each_other(axes: tuple[bool, bool]) -> None:
    points, boxes = scene(3)
    boxes[:, 6] = transforms.wrap(boxes[:, 6])
    kept = points.copy()
    once = transforms.mirror(points, axes)
    assert (once != points).any()
    assert (transforms.mirror(once, axes) == points).all()
    twice = transforms.mirror_boxes(transforms.mirror_boxes(boxes, axes), axes)
    np.testing.assert_allclose(twice, boxes, atol=1e-12)
    assert (points == kept).all()  # nothing is changed in place


def test_types_stay() -> None:
    points, boxes = (each.astype(np.float32) for each in scene(0))
    motion = Motion((True, True), 1.0, 1.1)
    assert motion.points(points).dtype == motion.boxes(boxes).dtype == np.float32
    assert transforms.jitter(points, 0.1, 0.2).dtype == np.float32
    empty = motion.points(points[:0])
    assert empty.shape == (0, 5)
    assert motion.boxes(boxes[:0]).shape == (0, 7)


def test_jitter_is_limited_and_moves_places_alone() -> None:
    points = np.zeros((4000, 5), np.float32)
    torch.manual_seed(0)
    moved = transforms.jitter(points, 0.005, 0.02)
    assert (moved[:, 3:] == 0).all()
    assert moved[:, :3].std() == pytest.approx(0.005, rel=0.05)
    assert abs(transforms.jitter(points, 1.0, 0.02)).max() == pytest.approx(0.02)


@pytest.mark.parametrize(("dropped", "share"), [(0.0, 1.0), (0.3, 0.7), (1.0, 1 / 5000)])
def test_a_share_of_points_is_dropped(dropped: float, share: float) -> None:
    torch.manual_seed(0)
    kept = transforms.kept_points(5000, dropped)
    assert kept.mean() == pytest.approx(share, abs=0.02 if 0 < dropped < 1 else 0)
    assert transforms.kept_points(0, dropped).shape == (0,)


def test_colors() -> None:
    colors = np.array([[0, 127, 255], [100, 200, 10]], np.uint8)
    same = transforms.change_colors(colors, (1, 1, 1), (0, 0, 0))
    assert (same == colors).all()
    changed = transforms.change_colors(colors, (2, 1, 0.5), (0, 10, -3))
    assert changed.tolist() == [[0, 137, 188], [73, 210, 66]]
    assert changed.dtype == np.uint8
    assert (transforms.drop_colors(colors) == transforms.GREY).all()
