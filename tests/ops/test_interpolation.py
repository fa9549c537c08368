"""Resizing as matrices, and of whole maps, against `F.interpolate`."""

import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from vision.ops.interpolation import interpolation_matrix, resize_bilinear

CPU = torch.device("cpu")


@given(before=st.integers(1, 40), after=st.integers(1, 90), align_corners=st.booleans())
@examples(60)
def test_matrix_resizes_as_interpolate(before: int, after: int, align_corners: bool) -> None:
    matrix = interpolation_matrix(
        before, after, align_corners=align_corners, device=CPU, dtype=torch.float64
    )
    one_hot = torch.eye(before, dtype=torch.float64)[:, None]
    expected = F.interpolate(
        one_hot[..., None], size=(after, 1), mode="bilinear", align_corners=align_corners
    )
    assert (matrix - expected[:, 0, :, 0].T).abs().max() < 1e-12


def test_a_map_of_the_wanted_size_is_given_back() -> None:
    x = torch.randn(1, 2, 5, 7)
    assert resize_bilinear(x, (5, 7)) is x
    for align_corners in (False, True):
        expected = F.interpolate(x, (9, 4), mode="bilinear", align_corners=align_corners)
        assert torch.equal(resize_bilinear(x, (9, 4), align_corners=align_corners), expected)
