import pytest
import torch

from vision.layers import spectrum
from vision.layers.spectrum import filter_spectrum, resize_filter


def test_corners_stay_and_the_middle_is_the_mean() -> None:
    grid = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    grid = torch.stack([grid, -grid], dim=-1)[None]  # (C, h, w, 2)
    resized = resize_filter(grid, (3, 3))
    expected = torch.tensor([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [5.0, 6.0, 7.0]])
    torch.testing.assert_close(resized[0, ..., 0], expected)
    torch.testing.assert_close(resized[0, ..., 1], -expected)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 8), (14, 5)])
def test_matrices_of_an_export_equal_the_transforms(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    grid = torch.randn(3, size[0], size[1] // 2 + 1, 2, dtype=torch.float64)
    expected = filter_spectrum(x, grid)
    identity = torch.zeros_like(grid)
    identity[..., 0] = 1
    torch.testing.assert_close(filter_spectrum(x, identity), x)
    monkeypatch.setattr(spectrum, "is_exporting", lambda: True)
    torch.testing.assert_close(filter_spectrum(x, grid), expected)
