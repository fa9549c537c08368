"""Points in boxes, against the planes of their faces."""

import numpy as np
import pytest
import torch
from helpers.boxes3d import FRAMES
from torch import Tensor

from vision.contracts.boxes3d import Frame
from vision.ops.boxes3d import box_corners
from vision.ops.points_in_boxes import points_in_boxes


def by_planes(points: Tensor, boxes: Tensor, frame: Frame) -> np.ndarray:
    """Between the opposite faces of each box, which its corners span."""
    found = []
    for corners in box_corners(boxes, frame).numpy():
        inside = np.ones(len(points), bool)
        for end in (1, 3, 4):  # neighbours of the first corner
            edge = corners[end] - corners[0]
            place = (points.numpy() - corners[0]) @ edge / (edge @ edge)
            inside &= (place >= 0) & (place <= 1)
        found.append(inside)
    return np.array(found)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.name)
def test_points_between_the_faces(frame: Frame) -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.rand(5, 7, generator=generator, dtype=torch.float64)
    boxes = numbers * torch.tensor([6, 6, 6, 5, 5, 5, 6]) + torch.tensor([0, 0, 0, 1, 1, 1, -3])
    points = torch.rand(2000, 3, generator=generator, dtype=torch.float64) * 8
    found = points_in_boxes(points, boxes, frame)
    expected = by_planes(points, boxes, frame)
    assert expected.any(axis=1).all()
    assert (found.numpy() == expected).all()


def test_borders_are_inside_and_nothing_is_in_nothing() -> None:
    box = torch.tensor([[1.0, 2, 3, 4, 2, 2, 0]])
    points = torch.tensor([[3.0, 3, 4], [3.01, 3, 4], [-1, 1, 2]])
    assert points_in_boxes(points, box).tolist() == [[True, False, True]]
    assert points_in_boxes(points, box[:0]).shape == (0, 3)
    assert points_in_boxes(points[:0], box).shape == (1, 0)
