"""Fitting of weights to other sizes, against hand-worked cases and invariants."""

import pytest
import torch
from torch.nn import functional as F

from vision.weights.resize import (
    fit_in_channels,
    resize_bias_table,
    resize_grid,
    resize_position_tokens,
)


@pytest.mark.parametrize(
    ("in_channels", "expected"),
    [
        (1, [6.0]),
        (2, [3.0, 3.0]),
        (3, [1.0, 2.0, 3.0]),
        (4, [0.5, 2.0, 3.0, 0.5]),
        (5, [0.5, 1.0, 3.0, 0.5, 1.0]),
        (6, [0.5, 1.0, 1.5, 0.5, 1.0, 1.5]),
    ],
)
def test_image_channels_by_hand(in_channels: int, expected: list[float]) -> None:
    weight = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    assert fit_in_channels(weight, in_channels).flatten().tolist() == expected


@pytest.mark.parametrize("in_channels", [1, 2, 4, 5, 6, 7, 13])
@pytest.mark.parametrize("published", [1, 3, 4])
def test_grey_images_give_the_same_response(in_channels: int, published: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, published, 3, 3)
    grey = torch.randn(2, 1, 8, 8)
    expected = F.conv2d(grey.expand(-1, published, -1, -1), weight)
    fitted = F.conv2d(grey.expand(-1, in_channels, -1, -1), fit_in_channels(weight, in_channels))
    torch.testing.assert_close(fitted, expected, rtol=1e-4, atol=1e-5)


def test_the_dtype_of_weights_is_kept() -> None:
    assert fit_in_channels(torch.zeros(2, 3, 1, 1, dtype=torch.float16), 4).dtype == torch.float16
    assert (
        resize_grid(torch.zeros(1, 2, 3, 3, dtype=torch.bfloat16), (5, 4)).dtype == torch.bfloat16
    )


def test_a_constant_stays_constant() -> None:
    assert resize_grid(torch.full((1, 2, 4, 4), 3.0), (7, 5)).allclose(torch.tensor(3.0))
    assert resize_position_tokens(torch.full((1, 16, 2), 3.0), (7, 5)).shape == (1, 35, 2)


def test_position_tokens_are_resized_as_a_picture() -> None:
    torch.manual_seed(0)
    picture = torch.randn(1, 2, 4, 6)
    tokens = picture.flatten(2).transpose(1, 2)
    resized = resize_position_tokens(tokens, (8, 3), source_size=(4, 6))
    expected = F.interpolate(picture, size=(8, 3), mode="bicubic", align_corners=False)
    torch.testing.assert_close(resized.transpose(1, 2).reshape(1, 2, 8, 3), expected)
    assert torch.equal(resize_position_tokens(tokens, (4, 6), source_size=(4, 6)), tokens)


def test_bias_tables_keep_their_centre_and_symmetry() -> None:
    """A table that depends only on the distance still does, with its peak at no displacement."""
    distance = torch.linspace(-1, 1, 13).abs()  # window 7
    table = -(distance[:, None] + distance[None]).reshape(-1, 1).expand(-1, 3)
    resized = resize_bias_table(table, 23 * 23)  # window 12
    assert resized.shape == (529, 3)
    grid = resized[:, 0].reshape(23, 23)
    assert grid.argmax() == 11 * 23 + 11
    for mirrored in (grid.flip(0), grid.flip(1), grid.t()):
        torch.testing.assert_close(mirrored, grid)
    torch.testing.assert_close(resize_bias_table(table, 169), table)
