"""Buffers of published checkpoints, against a case by hand; real ones in test_write_families."""

import torch

from vision.weights.names.swin_buffers import relative_positions, swin_attention_mask


def test_four_windows_of_two_by_two_shifted_by_one() -> None:
    masks = swin_attention_mask((4, 4), 2, 1)
    assert masks.shape == (4, 4, 4)
    assert not masks[0].any()
    # The window of the right edge: its first column was the last of the map, its second the first.
    left, right = -100.0 * torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.zeros(4)
    apart = left[:, None] != left[None]
    assert torch.equal(masks[1], torch.where(apart, -100.0, right))
    # In the corner each of the four is alone.
    assert torch.equal(masks[3], -100.0 * (1 - torch.eye(4)))


def test_relative_positions_of_two_by_two() -> None:
    # Displacements (0, 0), (0, 1), (1, 0), (1, 1) in a table of 3 x 3.
    expected = [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]
    assert relative_positions(2).tolist() == expected
