"""Bilinear values by gathers."""

import pytest
import torch
from helpers.refusals import refuses
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.ops.bilinear import chosen_sampling, corners, sample_at, sampling_by


def test_corners_by_hand() -> None:
    cells, shares = corners(torch.tensor([1.25]), torch.tensor([0.5]), (2, 3))
    assert cells.tolist() == [[1, 2, 4, 5]]
    torch.testing.assert_close(shares, torch.tensor([[0.375, 0.125, 0.375, 0.125]]))
    cells, shares = corners(torch.tensor([-0.25, 2.0]), torch.tensor([0.0, 1.5]), (2, 3))
    assert cells.tolist() == [[0, 0, 0, 3], [5, 0, 0, 0]]
    assert shares.tolist() == [[0, 0.75, 0, 0], [0.5, 0, 0, 0]]


def test_what_is_not_a_number_stays_so_and_reads_no_cell() -> None:
    cells, shares = corners(torch.tensor([torch.nan]), torch.tensor([0.0]), (2, 3))
    assert not cells.any()
    assert shares.isnan().any()


def test_both_forms_sample_alike() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 4, 6, dtype=torch.float64)
    points = torch.rand(2, 50, 2, dtype=torch.float64) * 1.6 - 0.3
    points[:, :3] = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    grid = sample_at(maps, points)
    expected = F.grid_sample(maps[:, None], points[:, None] * 2 - 1, align_corners=True)
    torch.testing.assert_close(grid, expected[:, 0, 0])
    with sampling_by("gather"):
        torch.testing.assert_close(sample_at(maps, points), grid)


def test_the_choice_ends_with_its_block() -> None:
    assert chosen_sampling() == "grid"
    with sampling_by("gather"):
        assert chosen_sampling() == "gather"
        with pytest.raises(RuntimeError), sampling_by("grid"):
            raise RuntimeError
        assert chosen_sampling() == "gather"
    assert chosen_sampling() == "grid"


def test_an_unknown_form() -> None:
    with refuses(ConfigError, "sampling='gathr'", "'grid' or 'gather'"), sampling_by("gathr"):  # type: ignore[arg-type]
        pass
