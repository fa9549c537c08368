"""The grid on the ground whose cells are pillars, and its coarser maps."""

from collections.abc import Sequence
from dataclasses import dataclass

from vision.errors import ConfigError, shown
from vision.options import Range, check_ranges

# Of the configs for Waymo in the code of FlatFormer's authors.
WAYMO_RANGE = (-74.88, -74.88, -2.0, 74.88, 74.88, 4.0)
# Cells of a side; more are a mistake in the units.
MAX_CELLS = 8192


@dataclass(frozen=True)
class PillarGrid:
    """Cells of equal size on the ground, in the frame `LIDAR`; each reaches over all heights.

    Attributes:
        cell_size: Sides of a cell along x and y in metres.
        point_range: Lowest x, y, z and highest x, y, z in metres; a whole number of cells.

    Raises:
        ConfigError: A number is out of its range, or the cells do not fill the range.
    """

    cell_size: Sequence[float] = (0.32, 0.32)
    point_range: Sequence[float] = WAYMO_RANGE

    def __post_init__(self) -> None:
        ranges = {
            "cell_size": Range(above=0, length=2, unit="metres"),
            "point_range": Range(minimum=-1e5, maximum=1e5, length=6, unit="metres"),
        }
        check_ranges(vars(self), ranges, group="grid")
        if any(high <= low for low, high in zip(self.low, self.high, strict=True)):
            raise ConfigError(
                f"grid.point_range={shown(list(self.point_range))} must be the lowest x, y, z, "
                "then the highest ones, in metres."
            )
        cells = [extent / side for extent, side in zip(self._extent, self.cell_size, strict=True)]
        if any(abs(count - round(count)) > 1e-3 or round(count) < 1 for count in cells):
            raise ConfigError(
                f"grid.point_range={shown(list(self.point_range))} has {cells[0]:.3f} x "
                f"{cells[1]:.3f} cells of {shown(list(self.cell_size))} metres along x and y, "
                "which must be whole numbers."
            )
        if max(cells) > MAX_CELLS:
            raise ConfigError(
                f"the grid has {cells[0]:.0f} x {cells[1]:.0f} cells, at most {MAX_CELLS:,} a side "
                "are possible: grid.cell_size and grid.point_range are metres."
            )

    @property
    def low(self) -> tuple[float, float, float]:
        """Lowest x, y, z in metres."""
        x, y, z = self.point_range[:3]
        return x, y, z

    @property
    def high(self) -> tuple[float, float, float]:
        """Highest x, y, z in metres."""
        x, y, z = self.point_range[3:]
        return x, y, z

    @property
    def size(self) -> tuple[int, int]:
        """Rows (along y) and columns (along x) of a map of all cells."""
        columns, rows = (
            round(extent / side) for extent, side in zip(self._extent, self.cell_size, strict=True)
        )
        return rows, columns

    @property
    def pillar(self) -> tuple[float, float, float]:
        """Sides of a pillar along x, y, z in metres."""
        return self.cell_size[0], self.cell_size[1], self.high[2] - self.low[2]

    @property
    def _extent(self) -> tuple[float, float]:
        return self.high[0] - self.low[0], self.high[1] - self.low[1]
