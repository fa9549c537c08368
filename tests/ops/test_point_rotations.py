"""Rotated clouds: voxels of their own, one point in each, cloud by cloud."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vision.ops.point_rotations import rotate_about_z, rotate_clouds


def random_clouds(seed: int, counts: list[int]) -> Tensor:
    """Points in voxels of their own, cloud by cloud."""
    generator = torch.Generator().manual_seed(seed)
    clouds = []
    for count in counts:
        places = torch.randperm(6 * 5 * 4, generator=generator)[:count]
        voxels = torch.stack([places // 20, places // 4 % 5, places % 4], dim=1)
        clouds.append(voxels + 0.999 * torch.rand(count, 3, generator=generator))
    return torch.cat(clouds)


@given(st.integers(0, 999), st.lists(st.integers(1, 40), min_size=1, max_size=3), st.floats(0, 1))
def test_each_voxel_has_the_point_that_is_nearest_to_its_centre(
    seed: int, counts: list[int], turn: float
) -> None:
    coords = random_clouds(seed, counts)
    found = rotate_clouds(coords, torch.tensor(counts), turn)
    assert int(found.counts.sum()) == len(found.coords) == len(found.rows)
    assert found.coords.min() >= 0
    first, voxel = 0, 0
    for count, voxels in zip(counts, found.counts.tolist(), strict=True):
        own = coords[first : first + count].double()
        middle = (own.amin(dim=0) + own.amax(dim=0)) / 2
        angle = 2 * math.pi * turn
        x, y = (own - middle)[:, 0], (own - middle)[:, 1]
        turned = torch.stack(
            [
                x * math.cos(angle) - y * math.sin(angle),
                x * math.sin(angle) + y * math.cos(angle),
                own[:, 2] - middle[2],
            ],
            dim=1,
        )
        turned -= turned.amin(dim=0)
        places = found.coords[voxel : voxel + voxels].double()
        cells = places.floor()
        assert len(cells.unique(dim=0)) == voxels
        rows = found.rows[voxel : voxel + voxels] - first
        torch.testing.assert_close(places, turned[rows], atol=1e-4, rtol=0)
        # The chosen point is as near as any other of the points that lead to it.
        cell_of = found.cell_of[first : first + count] - voxel
        away = (turned - cells[cell_of] - 0.5).square().sum(dim=1)
        assert (away >= away[rows][cell_of] - 1e-4).all()
        first, voxel = first + count, voxel + voxels


def test_a_cloud_does_not_depend_on_the_others() -> None:
    counts = [30, 7, 22]
    coords = random_clouds(1, counts)
    together = rotate_clouds(coords, torch.tensor(counts), 0.3)
    parts = zip(coords.split(counts), together.coords.split(together.counts.tolist()), strict=True)
    for own, found in parts:
        alone = rotate_clouds(own, torch.tensor([len(own)]), 0.3)
        assert torch.equal(alone.coords, found)


def test_a_quarter_turn_leads_from_x_to_y() -> None:
    turned = rotate_about_z(torch.tensor([[1.0, 0, 2], [0, 1, 3]]), 0.25)
    expected = torch.tensor([[0.0, 1, 2], [-1, 0, 3]])
    assert turned.numpy() == pytest.approx(expected.numpy(), abs=1e-6)
