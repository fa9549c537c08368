"""The base of the datamodules for depth."""

from vision.data.base.dense import DEFAULT_AUGMENT, DenseData, DenseLoading, DenseOptions
from vision.data.check.depth_facts import DepthFacts
from vision.data.transforms.dense_options import DenseAugment
from vision.keywords import Unpack
from vision.options import Range, check_ranges

# Nearer than a fly and farther than a room.
MEDIAN_RANGE = (0.01, 200.0)

__all__ = ["DEFAULT_AUGMENT", "MEDIAN_RANGE", "DenseAugment", "DepthData", "DepthOptions"]


class DepthLoading(DenseLoading, total=False):
    """Keywords that datasets with their own default augmentation pass on to `DepthData`."""

    median_range: tuple[float, float]


class DepthOptions(DepthLoading, total=False):
    """Keywords that other datasets pass on to `DepthData`."""

    augment: DenseAugment


class DepthData(DenseData):
    """A dataset of images with the depth of each pixel, in metres; 0 is no reading.

    A subclass lists the images and reads their depth. When a split is first used, a few of its
    depth maps are read: their range is logged, and a unit that is not the metre is an error before
    the first step.

    Args:
        median_range: Metres that the median of all depths lies between; another one means that the
            unit is wrong.
        **options: Other keywords of `DenseData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "depth"

    def __init__(
        self,
        *,
        median_range: tuple[float, float] = MEDIAN_RANGE,
        **options: Unpack[DenseOptions],
    ) -> None:
        super().__init__(**options)
        limits = Range(minimum=0, length=2, ascending=True, unit="metres")
        check_ranges({"median_range": median_range}, {"median_range": limits})
        self.median_range = median_range

    def facts(self) -> DepthFacts:
        """Range, median and levels of the depth maps."""
        return DepthFacts(self.median_range)
