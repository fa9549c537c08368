"""Two resizes at once, against PyTorch's one after the other."""

import pytest
import torch
from torch.nn import functional as F

from vision.ops.composed_resize import ComposedRows


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(
    "sizes",
    [
        ((9, 12), (36, 48), (30, 48), (70, 101)),
        ((9, 12), (36, 48), (36, 40), (5, 3)),
        ((7, 5), (7, 5), (6, 4), (6, 4)),
        ((1, 1), (4, 4), (3, 2), (9, 40)),
    ],
)
def test_equals_interpolation_twice(sizes: tuple[tuple[int, int], ...], aligned: bool) -> None:
    torch.manual_seed(0)
    small, resized, kept, wanted = sizes
    values = torch.randn(3, *small)
    x = F.interpolate(values[None], resized, mode="bilinear", align_corners=aligned)
    x = x[..., : kept[0], : kept[1]]
    x = F.interpolate(x, wanted, mode="bilinear", align_corners=aligned)[0]
    rows = ComposedRows(values, resized=resized, kept=kept, wanted=wanted, align_corners=aligned)
    step = 3
    strips = [rows.rows(i, min(i + step, wanted[0])) for i in range(0, wanted[0], step)]
    found = torch.cat(strips).permute(2, 0, 1)
    torch.testing.assert_close(found, x, rtol=1e-5, atol=1e-5)
    assert rows.largest == values.abs().max()


def test_the_precision_of_the_model_changes_nothing() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        rows = ComposedRows(
            torch.full((2, 3, 3), 1 + 2.0**-20),
            resized=(12, 12),
            kept=(12, 12),
            wanted=(12, 12),
            align_corners=False,
        )
        assert (rows.rows(0, 12) - 1).min() > 2.0**-21
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
