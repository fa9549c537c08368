"""Boxes as shares of the valid image."""

import torch

from vision.ops.share_boxes import boxes_to_shares, shares_to_boxes, shares_to_corners

SIZES = torch.tensor([[100, 200], [50, 40]])


def test_by_hand() -> None:
    boxes = torch.tensor([[[20.0, 10.0, 60.0, 40.0]], [[0.0, 0.0, 40.0, 50.0]]])
    expected = torch.tensor([[[0.2, 0.25, 0.2, 0.3]], [[0.5, 0.5, 1.0, 1.0]]])
    torch.testing.assert_close(boxes_to_shares(boxes, SIZES), expected)
    corners = torch.tensor([[[0.1, 0.1, 0.3, 0.4]], [[0.0, 0.0, 1.0, 1.0]]])
    torch.testing.assert_close(shares_to_corners(expected), corners)


def test_there_and_back() -> None:
    shares = torch.rand(2, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(boxes_to_shares(shares_to_boxes(shares, SIZES), SIZES), shares)


def test_half_precision_is_raised() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 1001.0, 3.0]]] * 2).half()
    assert boxes_to_shares(boxes, SIZES).dtype == torch.float32
    assert shares_to_boxes(boxes, SIZES).dtype == torch.float32
