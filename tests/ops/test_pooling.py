import pytest
import torch
from torch.nn import functional as F

from vision.ops.pooling import adaptive_average


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 7), (13, 9)])
@pytest.mark.parametrize("cells", [1, 2, 3, 6])
def test_products_of_an_export_equal_the_operator(
    size: tuple[int, int], cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = F.adaptive_avg_pool2d(x, cells)
    assert torch.equal(adaptive_average(x, cells), expected)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    torch.testing.assert_close(adaptive_average(x, cells), expected)
