"""Overlaps of turned rectangles and boxes, against shapely's polygons and cases by hand."""

import math
import time

import numpy as np
import pytest
import shapely
import torch
from helpers.boxes3d import FRAMES, boxes_of, random_rectangles
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, LIDAR, Frame
from vision.ops.boxes import box_iou
from vision.ops.boxes3d import box_corners, move_boxes
from vision.ops.rotated_iou import (
    box3d_iou,
    ground_rectangles,
    near_pairs,
    paired_box3d_iou,
    paired_rotated_iou,
    rotated_iou,
)


def polygons(rectangles: Tensor) -> np.ndarray:
    x, y, length, width, yaw = rectangles.numpy().T
    along = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1) * length[:, None] / 2
    across = np.stack([-np.sin(yaw), np.cos(yaw)], axis=-1) * width[:, None] / 2
    corners = [i * along + j * across for i, j in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    return shapely.polygons(np.stack(corners, axis=1) + np.stack([x, y], axis=-1)[:, None])


def shapely_iou(a: Tensor, b: Tensor) -> np.ndarray:
    first, second = polygons(a), polygons(b)
    shared = shapely.area(shapely.intersection(first, second))
    return shared / (shapely.area(first) + shapely.area(second) - shared)


def degenerate_pairs(count: int) -> tuple[Tensor, Tensor]:
    """Pairs that share sides, corners or directions, to the last digit or nearly so."""
    a = random_rectangles(count, seed=7)
    b = a.clone()
    kind = torch.arange(count) % 10
    turned = torch.stack([a[:, 0], a[:, 1], a[:, 3], a[:, 2], a[:, 4] + math.pi / 2], dim=1)
    b[kind == 1] = turned[kind == 1]  # the same, its sides exchanged
    b[kind == 2, 4] += math.pi
    b[kind == 3] = torch.nextafter(a, torch.full_like(a, 99))[kind == 3]
    along = torch.stack([a[:, 4].cos(), a[:, 4].sin()], dim=1) * a[:, 2:3]
    b[kind == 4, :2] += along[kind == 4]  # they touch along a side
    b[kind == 5, :2] += along[kind == 5] / 4  # two sides lie on two others
    b[kind == 6, 2] /= 2  # half of it
    b[kind == 7, 2:4] *= 1e-5
    b[kind == 8, 4] += 1e-12
    b[kind == 9, 2] *= 1e4
    b[kind == 9, 3] *= 1e-4
    return a, b


def test_random_pairs_are_shapelys() -> None:
    a, b = random_rectangles(10_000, seed=0, spread=3), random_rectangles(10_000, seed=1, spread=3)
    found = paired_rotated_iou(a, b)
    assert (found > 0).sum() > 4_000
    np.testing.assert_allclose(found.numpy(), shapely_iou(a, b), rtol=0, atol=1e-12)


def test_degenerate_pairs_are_shapelys() -> None:
    a, b = degenerate_pairs(500)
    expected = shapely_iou(a, b)
    for found in (paired_rotated_iou(a, b), paired_rotated_iou(b, a)):
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-10)


def test_boxes_are_shapelys_times_their_height() -> None:
    pair = [torch.cat([random_rectangles(500, seed=s), torch.rand(500, 2)], dim=1) for s in (2, 3)]
    boxes = [
        torch.stack([r[:, 0], r[:, 5], -r[:, 1], r[:, 2], r[:, 6] + 0.1, r[:, 3], r[:, 4]], dim=1)
        for r in pair
    ]
    first, second = (polygons(rectangles[:, :5]) for rectangles in pair)
    shared = shapely.area(shapely.intersection(first, second))
    (low_a, high_a), (low_b, high_b) = (
        ((b[:, 1] - b[:, 4] / 2).numpy(), (b[:, 1] + b[:, 4] / 2).numpy()) for b in boxes
    )
    shared *= (np.minimum(high_a, high_b) - np.maximum(low_a, low_b)).clip(0)
    whole = [np.prod(b[:, 3:6].numpy(), axis=1) for b in boxes]
    np.testing.assert_allclose(
        paired_box3d_iou(*boxes).numpy(), shared / (whole[0] + whole[1] - shared), atol=1e-12
    )


@given(boxes=boxes_of(8), frame=st.sampled_from(FRAMES))
@examples(40)
def test_all_pairs_are_the_pairs_and_a_box_is_itself(boxes: Tensor, frame: Frame) -> None:
    others = boxes.roll(1, 0) * torch.tensor([0.99, 1, 1.01, 1, 1.1, 0.9, 1.2])
    every = box3d_iou(boxes, others, frame)
    pairs = paired_box3d_iou(boxes[:, None], others, frame)
    torch.testing.assert_close(every, pairs, rtol=0, atol=1e-12)
    assert (box3d_iou(boxes, boxes, frame).diagonal() - 1).abs().max() < 1e-12
    flat = [ground_rectangles(one, frame) for one in (boxes, others)]
    every = rotated_iou(*flat)
    torch.testing.assert_close(every, rotated_iou(*flat[::-1]).T, rtol=0, atol=1e-12)
    assert ((every >= 0) & (every <= 1)).all()


def test_frames_agree() -> None:
    there = torch.tensor([[0.0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1]])
    flat = random_rectangles(60, seed=5)
    boxes = torch.stack([*flat[:, :2].T, flat[:, 1] / 9, flat[:, 2], flat[:, 3], *flat[:, 3:].T], 1)
    moved = move_boxes(boxes, there, LIDAR, CAMERA)
    expected = box3d_iou(boxes[:30], boxes[30:], LIDAR)
    assert (expected > 0).sum() > 50
    torch.testing.assert_close(box3d_iou(moved[:30], moved[30:]), expected, rtol=0, atol=1e-12)
    # A rectangle has the corners of the bottom, along the frame's two directions on the ground.
    ground = torch.from_numpy(shapely.get_coordinates(polygons(ground_rectangles(moved))))
    bottom = box_corners(moved)[:, :4]
    bottom = torch.stack([bottom[..., 0], -bottom[..., 2]], dim=-1)
    distance = torch.cdist(bottom, ground.reshape(60, 5, 2))
    assert distance.amin(dim=2).max() < 1e-9


def test_cases_by_hand() -> None:
    square = torch.tensor([0.0, 0, 2, 2, 0])
    others = torch.tensor(
        [
            [0.0, 0, 2, 2, math.pi / 4],  # an octagon in common
            [1.0, 0, 2, 2, 0],
            [0.0, 0, 1, 1, 0.3],  # inside
            [9.0, 0, 2, 2, 0],
            [2.0, 2.0, 2, 2, 0],  # one corner in common
        ]
    )
    octagon = 8 * (math.sqrt(2) - 1)
    expected = [octagon / (8 - octagon), 2 / 6, 1 / 4, 0.0, 0.0]
    found = rotated_iou(square[None], others)[0]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.tensor(expected))


def test_without_a_turn_they_are_the_overlaps_of_upright_boxes() -> None:
    flat = random_rectangles(80, seed=6)
    flat[:, 4] = 0
    corners = torch.cat([flat[:, :2] - flat[:, 2:4] / 2, flat[:, :2] + flat[:, 2:4] / 2], dim=1)
    expected = box_iou(corners[:40], corners[40:])
    torch.testing.assert_close(rotated_iou(flat[:40], flat[40:]), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(0.0, 2.0), (2.0, 0.0), (0.0, 0.0), (-1.0, 2.0), (-2.0, -2.0)])
def test_boxes_without_an_area_overlap_with_nothing(size: tuple[float, float]) -> None:
    empty = torch.tensor([[0.0, 0, *size, 0.5]])
    whole = torch.tensor([[0.0, 0, 2, 2, 0.2]])
    for a, b in ((empty, whole), (whole, empty), (empty, empty)):
        assert rotated_iou(a, b).tolist() == [[0.0]]
        assert paired_rotated_iou(a, b).tolist() == [0.0]
    flat = torch.tensor([[0.0, 0, 0, size[0], 1, size[1], 0], [0.0, 0, 0, 2, 0, 2, 0]])
    solid = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0.1]])
    assert box3d_iou(flat, solid).tolist() == [[0.0], [0.0]]


def test_no_boxes_have_no_overlaps() -> None:
    none, some = torch.zeros(0, 7), torch.ones(3, 7)
    assert box3d_iou(none, some).shape == (0, 3)
    assert box3d_iou(some, none).shape == (3, 0)
    assert paired_box3d_iou(none, none).shape == (0,)


def test_half_precision_is_computed_in_double() -> None:
    a, b = (random_rectangles(30, seed=s).half() for s in (8, 9))
    found = rotated_iou(a, b)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found.double(), rotated_iou(a.double(), b.double()), atol=1e-7, rtol=0
    )


def test_an_overlap_has_the_gradient_of_its_differences() -> None:
    a, b = random_rectangles(40, seed=10, spread=1), random_rectangles(40, seed=11, spread=1)
    assert torch.autograd.gradcheck(
        paired_rotated_iou, (a.requires_grad_(), b), eps=1e-7, atol=1e-5
    )


def test_far_rectangles_are_no_pairs() -> None:
    a, b = random_rectangles(300, seed=12, spread=200), random_rectangles(200, seed=13, spread=200)
    rows, columns = near_pairs(a, b)
    assert len(rows) < 300
    found = torch.zeros(300, 200, dtype=torch.bool)
    found[rows, columns] = True
    assert paired_rotated_iou(a[:, None], b)[~found].eq(0).all()


def test_sparse_pairs_are_cheap() -> None:
    a = random_rectangles(2_000, seed=14, spread=400)
    b = random_rectangles(2_000, seed=15, spread=400)
    rotated_iou(a[:10], b[:10])
    begin = time.process_time()
    found = rotated_iou(a, b)
    # The requirement, on two cores. Measured on one: 0.1 to 0.3 s.
    assert time.process_time() - begin < 2
    assert 0 < (found > 0).sum() < 4_000
