"""Two resizes at once, against PyTorch's one after the other."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.composed_resize import ComposedRows


def whole(rows: ComposedRows, step: int) -> Tensor:
    """All rows `(N, H, W)`, computed a few at a time."""
    height = rows.size[0]
    strips = (rows.strip(i, min(i + step, height)) for i in range(0, height, step))
    return torch.cat([rows.arrange(x.permute(3, 0, 1, 2)).clone() for x in strips], dim=1)


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
    found = whole(rows, step=3)
    torch.testing.assert_close(found, x, rtol=1e-5, atol=1e-5)
    assert rows.largest == values.abs().max()


def test_a_factor() -> None:
    values = torch.randn(3, 5, 6)
    sizes = {"resized": (20, 24), "kept": (19, 22), "wanted": (30, 35)}
    plain, scaled = (ComposedRows(values, **sizes, align_corners=False, scale=x) for x in (1, -1.5))
    torch.testing.assert_close(whole(scaled, step=4), -1.5 * whole(plain, step=30))
    assert scaled.largest == 1.5 * plain.largest


def test_strips_of_any_heights_have_the_same_rows() -> None:
    """Rows of cells are kept for the next strip, whether that needs more of them or fewer."""
    values = torch.randn(3, 40, 6)
    sizes = {"resized": (40, 24), "kept": (37, 24), "wanted": (50, 40)}
    rows, other = (ComposedRows(values, **sizes, align_corners=True) for _ in range(2))
    expected = whole(rows, step=50)
    for start, stop in ((0, 1), (1, 9), (9, 10), (9, 12), (12, 30), (45, 46), (46, 50)):
        strip = other.strip(start, stop).permute(3, 0, 1, 2)
        torch.testing.assert_close(other.arrange(strip), expected[:, start:stop])


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
        assert (rows.strip(0, 12) - 1).min() > 2.0**-21
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
