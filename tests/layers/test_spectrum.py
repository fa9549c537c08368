import torch

from vision.layers.spectrum import resize_filter


def test_corners_stay_and_the_middle_is_the_mean() -> None:
    grid = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    grid = torch.stack([grid, -grid], dim=-1)[None]  # (C, h, w, 2)
    resized = resize_filter(grid, (3, 3))
    expected = torch.tensor([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [5.0, 6.0, 7.0]])
    torch.testing.assert_close(resized[0, ..., 0], expected)
    torch.testing.assert_close(resized[0, ..., 1], -expected)
