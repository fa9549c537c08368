"""The grid of pillars: its size, and ranges that do not fit it."""

from typing import Any

import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.ops.pillar_grid import PillarGrid


def test_sizes() -> None:
    grid = PillarGrid()
    assert grid.size == (468, 468)
    grid = PillarGrid(cell_size=(0.5, 0.25), point_range=(0, -10, -3, 20, 10, 1))
    assert grid.size == (80, 40)
    assert grid.pillar == (0.5, 0.25, 4)
    assert (grid.low, grid.high) == ((0, -10, -3), (20, 10, 1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cell_size": (0.32,)}, ["grid.cell_size", "2 numbers"]),
        ({"cell_size": (0.0, 0.3)}, ["grid.cell_size"]),
        ({"cell_size": (0.3, 0.32)}, ["499.200 x 468.000", "whole"]),
        ({"cell_size": (0.0032, 0.0032)}, ["8,192", "metres"]),
        ({"point_range": (0, 0, 0, -1, 1, 1)}, ["lowest"]),
        ({"point_range": (0, 0, 0, 1, 1)}, ["grid.point_range", "6 numbers"]),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: list[str]) -> None:
    with refuses(ConfigError, *said):
        PillarGrid(**options)
