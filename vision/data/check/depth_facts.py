"""What depth maps hold: their range, and whether their unit can be right."""

import numpy as np

from vision.data.check.dense_problems import MapFacts, Note
from vision.data.transforms.dense_targets import DenseTargets
from vision.errors import DataError

# Depth of 8 bits has no more different values.
MAX_LEVELS = 256
# Of fewer pixels so few values prove nothing.
MIN_PIXELS = 10_000
PNG = ".png"


class DepthFacts(MapFacts):
    """Collects the range and the median of depth maps.

    Args:
        median_range: Metres that the median of the depths of a dataset lies between.
    """

    what = "depth maps"

    def __init__(self, median_range: tuple[float, float]) -> None:
        super().__init__()
        self.median_range = median_range

    def look(self, targets: DenseTargets, path: str) -> Note:
        """What a depth map holds: minimum, median and maximum in metres, and its levels."""
        depth = targets.depth
        assert depth is not None
        values = depth[depth > 0]
        if not values.size:
            return Note(path, depth.size, 0, {})
        numbers = {
            "minimum": float(values.min()),
            "median": float(np.median(values)),
            "maximum": float(values.max()),
        }
        levels = np.unique(values)[: MAX_LEVELS + 1].tolist() if path.endswith(PNG) else ()
        return Note(path, depth.size, values.size, numbers, tuple(levels))

    def describe(self) -> str:
        """The range and the median, and the share of pixels with a depth."""
        low, middle, high = self._range()
        share = f"{self.share():.1%} of the pixels"
        return f"{low:.3g} to {high:.3g} m, median {middle:.3g} m, {share}"

    def require_plausible(self) -> None:
        """Raise an error for another unit than metres, and for depth of 8 bits.

        Raises:
            DataError: The median is out of its range, or there are too few values.
        """
        (low, high), median = self.median_range, self._range()[1]
        if not low <= median <= high:
            raise DataError(
                f"the median depth of the {len(self.notes)} depth maps that were read is "
                f"{median:.4g} m, such as in {self.named()}; expected {low:g} to {high:g} m. Give "
                "the value of one metre in the files, such as 1000 for millimetres (data.scale), "
                "or data.median_range if it is right."
            )
        notes = [note for note in self.valid_notes() if note.levels]
        levels = {value for note in notes for value in note.levels}
        if sum(note.valid for note in notes) >= MIN_PIXELS and len(levels) <= MAX_LEVELS:
            raise DataError(
                f"the {len(notes)} depth maps that were read, such as {self.named()}, have only "
                f"{len(levels)} different depths together; expected thousands. They were saved as "
                "8 bit once: write them again from their source. If they are right, write them as "
                ".npy files."
            )

    def _range(self) -> tuple[float, float, float]:
        """Minimum, median of the medians, and maximum, in metres."""
        numbers = [note.numbers for note in self.valid_notes()]
        return (
            min(one["minimum"] for one in numbers),
            float(np.median([one["median"] for one in numbers])),
            max(one["maximum"] for one in numbers),
        )
