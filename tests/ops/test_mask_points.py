"""Masks at points."""

import math
from typing import Any

import pytest
import torch
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.ops.mask_points import PointOptions, sample_maps, sample_masks, uncertain_points


def test_middles_of_cells_are_the_cells() -> None:
    maps = torch.randn(2, 3, 4, 6)
    y, x = torch.meshgrid((torch.arange(4) + 0.5) / 4, (torch.arange(6) + 0.5) / 6, indexing="ij")
    points = torch.stack([x, y], dim=-1).flatten(0, 1).expand(2, -1, -1)
    torch.testing.assert_close(sample_maps(maps, points), maps.flatten(2))


def test_masks_are_sampled_like_maps() -> None:
    """Grid sampling of PyTorch is the truth, at points inside, at borders and beyond."""
    torch.manual_seed(0)
    masks = torch.rand(3, 5, 7) > 0.5
    index = torch.tensor([2, 0, 2, 1])
    points = torch.rand(4, 200, 2) * 1.4 - 0.2
    points[0, :4] = torch.tensor([[0.0, 0], [1, 1], [1, 0], [0.5, 1]])
    expected = sample_maps(masks[index, None].float(), points)[:, 0]
    torch.testing.assert_close(sample_masks(masks, index, points), expected, rtol=0, atol=1e-5)


def test_no_masks_at_all() -> None:
    maps = torch.zeros(0, 1, 4, 4, requires_grad=True)
    found = sample_maps(maps, torch.zeros(0, 5, 2))
    assert found.shape == (0, 1, 5)
    found.sum().backward()
    assert maps.grad is not None


def test_points_lie_where_masks_are_uncertain() -> None:
    """Logits that are zero along x = 0.3: three in four points are the nearest of those drawn."""
    torch.manual_seed(0)
    options = PointOptions(count=100, oversample=10, uncertain_share=0.75)
    extents = torch.tensor([[1.0, 1.0], [1.0, 0.5]])
    points = uncertain_points(lambda p: 50 * (p[..., 0] - 0.3), extents, options)
    assert points.shape == (2, 100, 2)
    near = (points[..., 0] - 0.3).abs()
    # The nearest 75 of 1000 lie within about 0.0375 of a strip of both sides.
    assert near[:, :75].max() < 0.06
    assert near[:, 75:].max() > 0.3
    assert points[0, :75, 1].std() == pytest.approx(math.sqrt(1 / 12), abs=0.05)
    assert 0.4 < points[1, :, 1].max() <= 0.5


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"count": 0}, ("points.count=0", "from 1")),
        ({"oversample": 0.5}, ("points.oversample=0.5", "from 1")),
        ({"uncertain_share": 1.1}, ("points.uncertain_share=1.1", "from 0 to 1")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        PointOptions(**options)
