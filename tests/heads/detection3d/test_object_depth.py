"""The depth of objects; the mean of the guesses is in `test_parity_heads.py`."""

import torch
from helpers.tiny_monocular import CAMERA

from vision.heads.detection3d.object_depth import depth_at, depth_from_height, object_depth
from vision.ops.camera_views import camera_views


def test_depth_from_the_height_of_a_box() -> None:
    """1.5 m look 52.5 rows high from 20 m, with a focal length of 700."""
    boxes = torch.tensor([[[0.5, 0.5, 0.1, 0.1, 0.1, 0.11], [0.5, 0.5, 0.1, 0.1, 0, 0]]])
    views = camera_views(CAMERA[None], torch.tensor([[250, 800]]))
    depth = depth_from_height(torch.tensor([[1.5, 1.5]]), boxes, views)
    # A box without a height counts as one row high.
    torch.testing.assert_close(depth, torch.tensor([[20.0, 1050.0]]))


def test_depth_at_corners_and_between_cells() -> None:
    depth = torch.tensor([[[1.0, 2, 3], [5, 6, 7]]])
    places = torch.tensor([[[0.0, 0], [1, 0], [0, 1], [0.25, 0.5]]])
    boxes = torch.cat([places, torch.zeros(1, 4, 4)], dim=-1)
    torch.testing.assert_close(depth_at(depth, boxes), torch.tensor([[1.0, 3, 5, 3.5]]))


def test_three_guesses_count_alike() -> None:
    """A code of 0 says 1 m, the height 20 m and the map 4 m."""
    boxes = torch.tensor([[[0.5, 0.5, 0.1, 0.1, 0.1, 0.11]]])
    views = camera_views(CAMERA[None], torch.tensor([[250, 800]]))
    depth = object_depth(
        torch.zeros(1, 1), torch.tensor([[1.5]]), boxes, torch.full((1, 2, 2), 4.0), views
    )
    torch.testing.assert_close(depth, torch.tensor([[25 / 3]]))


def test_boxes_learn_from_their_height_and_not_from_their_place() -> None:
    boxes = torch.tensor([[[0.5, 0.6, 0.1, 0.1, 0.1, 0.11]]], requires_grad=True)
    views = camera_views(CAMERA[None], torch.tensor([[250, 800]]))
    depth_map = torch.rand(1, 3, 4, requires_grad=True)
    heights = torch.tensor([[1.5]], requires_grad=True)
    object_depth(torch.zeros(1, 1), heights, boxes, depth_map, views).sum().backward()
    assert boxes.grad[0, 0, :4].tolist() == [0] * 4
    assert (boxes.grad[0, 0, 4:] < 0).all()
    assert depth_map.grad.any()
    assert heights.grad.any()
