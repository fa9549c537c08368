"""Options of the augmentation of sweeps of a lidar."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vision.annotations.kitti_levels import LEVELS
from vision.errors import ConfigError, shown
from vision.options import MAX_COUNT, Range, Ranges, check_ranges

RANGES: Ranges = {
    "mirror": Range(minimum=0, maximum=1, length=2),
    "rotation": Range(minimum=0, maximum=180, unit="degrees"),
    "scale": Range(above=0.1, maximum=10, length=2, ascending=True),
    "dropped": Range(minimum=0, below=1),
}
DIFFICULTIES = (*(level.name for level in LEVELS), "any")
_COUNT = Range(minimum=0, maximum=MAX_COUNT)


@dataclass(frozen=True)
class LidarAugment:
    """Options of the augmentation of a training sweep, about the lidar.

    The defaults are as in FlatFormer's recipe, for a lidar that sees all around.

    Attributes:
        mirror: Probability that x is reversed, and that y is.
        rotation: Maximum angle about the vertical in degrees, to either side.
        scale: Minimum and maximum of the factor of all lengths.
        dropped: Share of points that are left out.

    Raises:
        ConfigError: A value is out of its range.
    """

    mirror: tuple[float, float] = (0.5, 0.5)
    rotation: float = 45.0
    scale: tuple[float, float] = (0.95, 1.05)
    dropped: float = 0.0

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)


@dataclass(frozen=True)
class ObjectPasting:
    """Options of objects that are pasted into training sweeps, with their points.

    "SECOND: Sparsely Embedded Convolutional Detection", Yan et al., 2018, section 3.4. An object
    comes from another sweep, and stands where it stood there; it is left out if it would overlap
    another one seen from above. Points of the sweep within its box are removed.

    Attributes:
        database: The folder that `vision prepare-kitti-database` made; None pastes nothing.
        counts: How many objects of each class a sweep has at most after pasting, its own among
            them. Classes that are not trained are not pasted.
        min_points: Fewest points that a pasted object of a class has; 1 for classes without an
            entry.
        max_difficulty: The most difficult objects that are pasted, by KITTI's levels: "easy",
            "moderate" or "hard". "any" pastes those beyond "hard" too.

    Raises:
        ConfigError: A value is out of its range.
    """

    database: str | None = None
    counts: dict[str, int] = field(
        default_factory=lambda: {"Car": 15, "Pedestrian": 10, "Cyclist": 10}
    )
    min_points: dict[str, int] = field(
        default_factory=lambda: {"Car": 5, "Pedestrian": 10, "Cyclist": 10}
    )
    max_difficulty: Literal["easy", "moderate", "hard", "any"] = "hard"

    def __post_init__(self) -> None:
        check_ranges(vars(self), {"max_difficulty": DIFFICULTIES}, group="paste")
        for name in ("counts", "min_points"):
            value = getattr(self, name)
            if not isinstance(value, Mapping) or not all(map(_COUNT.holds, value.values())):
                raise ConfigError(
                    f"paste.{name}={shown(value)} must be a number for each class, {_COUNT}, such "
                    "as {Car: 15}."
                )
