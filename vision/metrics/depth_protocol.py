"""What an evaluation of depth measures; without NumPy, for the help of the command."""

from dataclasses import dataclass
from typing import Literal, get_args

from vision.options import Range, Ranges, check_number, check_ranges

Crop = Literal["none", "eigen", "garg", "kb"]
Scale = Literal["none", "median", "least-squares"]
CROPS, SCALES = get_args(Crop), get_args(Scale)


@dataclass(frozen=True, kw_only=True)
class DepthProtocol:
    """Which pixels count, and how predictions are prepared.

    Attributes:
        min_depth: Depths of the ground truth above it count, in metres; predictions are clipped.
        max_depth: Likewise those below it: 10 for NYUv2, 80 for KITTI.
        crop: Part of the image that counts, as in `vision.ops.depth_crops.crop_window`.
        scale: For models without metric scale. `"median"` multiplies the prediction of each image
            by the quotient of the medians; `"least-squares"` fits a factor and a shift.
    """

    min_depth: float = 1e-3
    max_depth: float = 10.0
    crop: Crop = "none"
    scale: Scale = "none"

    def __post_init__(self) -> None:
        """Check the values."""
        ranges: Ranges = {
            "min_depth": Range(above=0, unit="metres"),
            "crop": CROPS,
            "scale": SCALES,
        }
        check_ranges(vars(self), ranges)
        check_number("max_depth", self.max_depth, above=self.min_depth, unit="metres")


@dataclass(frozen=True, kw_only=True)
class DepthEvaluation:
    """Options of the evaluation of a task.

    Attributes:
        min_depth: Depths of the ground truth above it count, in metres; None for the smallest depth
            of the task.
        max_depth: Likewise those below it; None for the largest depth of the task.
        crop: As in `DepthProtocol`.
        scale: As in `DepthProtocol`.

    Raises:
        ConfigError: A value is out of its range.
    """

    min_depth: float | None = None
    max_depth: float | None = None
    crop: Crop = "none"
    scale: Scale = "none"

    def __post_init__(self) -> None:
        """Check the values that do not depend on the task's."""
        above = Range(above=0, unit="metres", optional=True)
        ranges: Ranges = {"min_depth": above, "max_depth": above, "crop": CROPS, "scale": SCALES}
        check_ranges(vars(self), ranges, group="evaluation")

    def protocol(self, min_depth: float, max_depth: float) -> DepthProtocol:
        """What is measured, for a task with the given range in metres.

        Raises:
            ConfigError: The largest depth is not above the smallest.
        """
        return DepthProtocol(
            min_depth=self.min_depth or min_depth,
            max_depth=self.max_depth or max_depth,
            crop=self.crop,
            scale=self.scale,
        )
