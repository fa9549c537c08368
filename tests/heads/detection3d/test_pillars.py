"""Pillars of points; the authors' numbers are in `test_parity_heads.py`."""

from collections import defaultdict
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.errors import ConfigError
from vision.heads.detection3d.pillars import PillarEncoder, pillar_map

GRID = {"cell_size": (0.5, 1.0), "point_range": (-4.0, -6.0, -2.0, 6.0, 6.0, 2.0)}


def build(**options: Any) -> PillarEncoder:
    torch.manual_seed(0)
    return PillarEncoder(**{"in_channels": 4, "channels": (8, 12), "grid": GRID, **options})


def sweep(*counts: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points in the range and a little outside."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([11.0, 13.0, 4.0, 1.0])
    points = torch.rand(sum(counts), 4, generator=generator) * scale
    return points - torch.tensor([4.5, 6.5, 2.0, 0.0]), torch.tensor(counts)


def looped(model: PillarEncoder, points: Tensor, counts: Tensor) -> dict[tuple[int, ...], Tensor]:
    """Features by cell, with dictionaries and one pillar at a time."""
    rows, columns = model.grid.size
    members: dict[tuple[int, ...], list[int]] = defaultdict(list)
    samples = [b for b, count in enumerate(counts.tolist()) for _ in range(count)]
    for i, (x, y, *_) in enumerate(points.tolist()):
        column = min(max(int((x + 4) // 0.5), 0), columns - 1)
        row = min(max(int((y + 6) // 1.0), 0), rows - 1)
        members[samples[i], 0, row, column].append(i)
    features = {}
    for key, own in members.items():
        x = points[own]
        centre = torch.tensor([-4 + (key[3] + 0.5) * 0.5, -6 + key[2] + 0.5, 0.0])
        x = torch.cat([x, x[:, :3] - x[:, :3].mean(0), x[:, :3] - centre], dim=1)
        for i, layer in enumerate(model.layers):
            if i:
                x = torch.cat([x, x.amax(0).expand(len(x), -1)], dim=1)
            linear, norm = layer.linear, layer.norm
            x = (x @ linear.weight.T) / (1 + norm.eps) ** 0.5 * norm.weight + norm.bias
            x = x.relu()
        features[key] = x.amax(0)
    return features


@torch.no_grad()
def test_pillars_are_those_of_a_loop() -> None:
    model = build().eval()
    for layer in model.layers:
        layer.norm.weight.uniform_(-1, 1)
        layer.norm.bias.uniform_(-1, 1)
    points, counts = sweep(150, 0, 60)
    features, coords = model(points, counts)
    expected = looped(model, points, counts)
    assert [tuple(row) for row in coords.tolist()] == sorted(expected)
    torch.testing.assert_close(
        features, torch.stack([expected[key] for key in sorted(expected)]), rtol=1e-4, atol=1e-5
    )
    # No order of the points of a sweep changes them.
    order = torch.cat([torch.randperm(150), 150 + torch.randperm(60)])
    again, same = model(points[order], counts)
    assert torch.equal(coords, same)
    torch.testing.assert_close(again, features, rtol=1e-4, atol=1e-5)


def test_a_map_has_the_pillars_and_zeros() -> None:
    model = build()
    assert model.grid.size == (12, 20)
    points, counts = sweep(30, 0, 20)
    features, coords = model(points, counts)
    bird = model.to_map(features, coords, 3)
    assert bird.shape == (3, 12, 12, 20)
    for feature, (b, _, y, x) in zip(features, coords.tolist(), strict=True):
        assert torch.equal(bird[b, :, y, x], feature)
    assert not bird[1].any()
    assert (bird != 0).any(dim=1).sum() <= len(coords)
    features = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    coords = torch.tensor([[0, 0, 1, 2], [1, 0, 0, 0]])
    torch.autograd.gradcheck(lambda x: pillar_map(x, coords, 2, (2, 3)), (features,))


def test_every_parameter_learns_and_few_points_are_enough() -> None:
    for counts in ((40, 10), (1,), (0,)):
        model = build().train()
        features, coords = model(*sweep(*counts))
        assert features.shape == (len(coords), 12)
        features.sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.to_map(features, coords, 1).shape == (1, 12, 12, 20)


def test_the_published_reader_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = PillarEncoder()
    assert sum(parameter.numel() for parameter in model.parameters()) == 17_472
    assert [*model.feature_specs] == [(128, 1)]


def test_what_does_not_fit_is_refused() -> None:
    with refuses(ConfigError, "(P, 4)", "(5, 3)"):
        build()(torch.zeros(5, 3), torch.tensor([5]))
    with refuses(ConfigError, "in_channels=2"):
        build(in_channels=2)
    with refuses(ConfigError, "grid.voxel_size"):
        build(grid={"voxel_size": 1})


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_types_of_points(dtype: torch.dtype) -> None:
    points, counts = sweep(20)
    model = build().to(torch.promote_types(dtype, torch.float32)).eval()
    features, _ = model(points.to(dtype), counts)
    assert features.dtype == torch.promote_types(dtype, torch.float32)
