"""What an evaluation of depth measures; without NumPy, for the help of the command."""

from dataclasses import dataclass

from vision.options import Range, Ranges, check_number, check_ranges

CROPS = ("none", "eigen", "garg", "kb")
SCALES = ("none", "median", "least-squares")


@dataclass(frozen=True, kw_only=True)
class DepthProtocol:
    """Which pixels count, and how predictions are prepared.

    Attributes:
        min_depth: Depths of the ground truth above it count, in metres; predictions are clipped.
        max_depth: Likewise those below it: 10 for NYUv2, 80 for KITTI.
        crop: Part of the image that counts, as in `vision.metrics.depth.crop_window`.
        scale: For models without metric scale. `"median"` multiplies the prediction of each image
            by the quotient of the medians; `"least-squares"` fits a factor and a shift.
    """

    min_depth: float = 1e-3
    max_depth: float = 10.0
    crop: str = "none"
    scale: str = "none"

    def __post_init__(self) -> None:
        """Check the values."""
        ranges: Ranges = {
            "min_depth": Range(above=0, unit="metres"),
            "crop": CROPS,
            "scale": SCALES,
        }
        check_ranges(vars(self), ranges)
        check_number("max_depth", self.max_depth, above=self.min_depth, unit="metres")
