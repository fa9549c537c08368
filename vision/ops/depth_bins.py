"""Bins of depth whose width increases linearly with the depth.

"Center3D", Tang et al., 2020, https://arxiv.org/abs/2005.13423, calls it linear-increasing
discretisation (LID).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.options import MAX_COUNT, Range, check_ranges


@dataclass(frozen=True, kw_only=True)
class DepthBins:
    """Bins from a smallest to a largest depth, and one more for all that lies outside.

    Bin i begins at `minimum + width * i * (i + 1) / 2`, where `width` is that of the first one.

    Attributes:
        count: Number N of bins, without the one for what lies outside.
        minimum: Smallest depth in metres.
        maximum: Largest depth in metres, which lies outside.

    Raises:
        ConfigError: There are no bins, or the largest depth is not above the smallest.
    """

    count: int = 80
    minimum: float = 1e-3
    maximum: float = 60.0

    def __post_init__(self) -> None:
        check_ranges(
            vars(self),
            {
                "count": Range(minimum=1, maximum=MAX_COUNT),
                "minimum": Range(minimum=0),
                "maximum": Range(above=0),
            },
            group="bins",
        )
        if self.maximum <= self.minimum:
            raise ConfigError(
                f"bins.maximum={self.maximum} must be above bins.minimum={self.minimum}, both in "
                "metres."
            )

    @property
    def width(self) -> float:
        """Width of the first bin in metres."""
        return 2 * (self.maximum - self.minimum) / (self.count * (self.count + 1))

    def values(self) -> Tensor:
        """The depth that each bin stands for, where it begins, as in MonoDETR's code.

        Returns:
            float32 `(N + 1,)` in metres, the last of them `maximum`.
        """
        place = torch.arange(self.count)
        starts = self.minimum + place * (place + 1) * (self.width / 2)
        return torch.cat([starts, torch.tensor([float(self.maximum)])])

    def index(self, depth: Tensor) -> Tensor:
        """The bin of each depth.

        Args:
            depth: float `(...)` in metres.

        Returns:
            int64 `(...)`; N for what is outside, or not a number.
        """
        place = ((1 + 8 * (depth - self.minimum) / self.width).sqrt() - 1) / 2
        # The root of a negative number is not a number.
        inside = (place >= 0) & (place < self.count)
        return place.where(inside, self.count).long()
