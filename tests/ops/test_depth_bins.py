"""Bins of depth; the authors' indices are in `test_parity_heads.py`."""

import pytest
import torch
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.ops.depth_bins import DepthBins


def test_widths_increase_linearly() -> None:
    """Four bins from 1 m to 21 m: 2, 4, 6 and 8 m wide."""
    bins = DepthBins(count=4, minimum=1, maximum=21)
    assert bins.width == 2
    edges = torch.tensor([1.0, 3, 7, 13, 21])
    assert bins.index(edges).tolist() == [0, 1, 2, 3, 4]
    assert bins.index(edges[1:] - 0.01).tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(bins.values(), edges)


@pytest.mark.parametrize("bins", [DepthBins(), DepthBins(count=7, minimum=2, maximum=90)])
def test_a_bin_begins_at_its_value(bins: DepthBins) -> None:
    assert bins.index(bins.values() + 1e-4).tolist() == list(range(bins.count + 1))
    assert bins.index(bins.values()[1:] - 1e-4).tolist() == list(range(bins.count))


def test_what_is_outside_has_a_bin_of_its_own() -> None:
    nan = float("nan")
    depth = torch.tensor([[0.0, -5.0, 60.0], [61.0, float("inf"), nan]])
    assert DepthBins().index(depth).tolist() == [[80] * 3] * 2


def test_impossible_bins() -> None:
    with refuses(ConfigError, "bins.maximum=5", "bins.minimum=5", "metres"):
        DepthBins(minimum=5, maximum=5)
    with refuses(ConfigError, "bins.count=0", "from 1"):
        DepthBins(count=0)
