"""Targets of centres, drawn and listed by loops; the authors' are in `test_parity_heads.py`."""

import math

import pytest
import torch
from helpers.tiny_centers import BOXES, GRID, tiny_objects
from torch import Tensor

from vision.contracts.lidar import LidarTarget
from vision.ops.center_maps import decode_boxes, encode_boxes, map_grid, map_places
from vision.ops.center_targets import CenterTargets, center_targets, draw_peaks, gaussian_radius
from vision.ops.pillar_grid import PillarGrid

PLACES = map_grid(PillarGrid(**GRID), 1)
SHAPE = (16, 20)


def targets_of(*targets: LidarTarget, max_objects: int = 6) -> CenterTargets:
    shape = (len(targets), 3, *SHAPE)
    options = {"max_objects": max_objects, "min_radius": 2}
    return center_targets(targets, shape, PLACES, min_overlap=0.1, **options)


def test_boxes_are_restored_from_their_numbers() -> None:
    wanted = targets_of(tiny_objects(2, 0, 1), tiny_objects())
    assert wanted.mask.tolist() == [[True] * 3 + [False] * 3, [False] * 6]
    boxes = decode_boxes(wanted.code[0, :3], wanted.cell[0, :3], SHAPE[1], PLACES)
    # By class, and so not as they came.
    torch.testing.assert_close(boxes, BOXES, rtol=1e-5, atol=1e-5)
    assert ((wanted.code[0, :3, :2] >= 0) & (wanted.code[0, :3, :2] < 1)).all()
    for label in range(3):
        place = int(wanted.cell[0, label])
        assert wanted.heatmap[0, label].flatten()[place] == 1
    assert not wanted.heatmap[1].any()
    assert wanted.heatmap.max() == 1


def test_codes_and_boxes_are_inverse() -> None:
    boxes = BOXES.double()
    place = map_places(boxes, PLACES)
    cell = place.floor()
    index = (cell[:, 1] * SHAPE[1] + cell[:, 0]).long()
    again = decode_boxes(encode_boxes(boxes, place - cell), index, SHAPE[1], PLACES)
    torch.testing.assert_close(again, boxes)


def test_objects_outside_keep_an_empty_place_and_too_many_are_left_out() -> None:
    boxes = BOXES[[0, 0, 0, 0]].clone()
    # Outside; up to a cell below; of no length.
    boxes[1, 0], boxes[2, 1], boxes[3, 3] = 30.0, -8.9, 0.0
    labels = torch.tensor([1, 0, 0, 2])
    wanted = targets_of({"boxes3d": boxes, "labels": labels})
    assert wanted.mask.tolist() == [[False, True, True, False, False, False]]
    assert wanted.cell[0].tolist() == [0, 4, 3 * 20 + 4, 0, 0, 0]
    assert wanted.code[0, 1, 1] == pytest.approx(-0.9, abs=1e-5)
    assert not wanted.code[0, [0, 3]].any()
    few = targets_of({"boxes3d": boxes, "labels": labels}, max_objects=2)
    assert few.mask.tolist() == [[False, True]]


def test_peaks_are_those_of_a_loop() -> None:
    cells, labels = torch.tensor([[3, 2], [5, 3], [19, 15], [0, 8]]), torch.tensor([0, 0, 1, 2])
    radii = torch.tensor([2, 3, 4, 0])
    found, expected = torch.zeros(3, *SHAPE), torch.zeros(3, *SHAPE)
    draw_peaks(found, cells, labels, radii)
    for (x, y), label, radius in zip(cells.tolist(), labels.tolist(), radii.tolist(), strict=True):
        deviation = (2 * radius + 1) / 6
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                if 0 <= y + dy < SHAPE[0] and 0 <= x + dx < SHAPE[1]:
                    value = math.exp(-(dx * dx + dy * dy) / (2 * deviation**2))
                    old = expected[label, y + dy, x + dx].item()
                    expected[label, y + dy, x + dx] = max(old, value)
    torch.testing.assert_close(found, expected)
    assert (found == 1).sum() == 4
    draw_peaks(found, cells[:0], labels[:0], radii[:0])


@pytest.mark.parametrize("overlap", [0.1, 0.5, 0.7])
def test_radii_grow_with_the_sides(overlap: float) -> None:
    sides = torch.tensor([[4.0, 2.0], [8.0, 4.0], [2.0, 4.0]])
    radii = gaussian_radius(sides, overlap)
    torch.testing.assert_close(radii[1], 2 * radii[0])
    torch.testing.assert_close(radii[2], radii[0])
    assert torch.equal(radii, radii.clamp(min=0))
    a, b = 4.0, 2.0
    # The first case, whose factor of the square is 1, is as derived.
    root = (a + b + math.sqrt((a + b) ** 2 - 4 * a * b * (1 - overlap) / (1 + overlap))) / 2
    assert radii[0] <= root + 1e-6


def test_targets_are_of_the_device_and_of_float32() -> None:
    wanted = targets_of({key: value.clone() for key, value in tiny_objects(0).items()})
    types: list[Tensor] = [wanted.heatmap, wanted.code]
    assert all(value.dtype == torch.float32 for value in types)
