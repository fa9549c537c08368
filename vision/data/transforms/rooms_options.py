"""Options of the augmentation of clouds of points."""

from dataclasses import dataclass

from vision.errors import ConfigError
from vision.options import MAX_COUNT, PROBABILITY, Range, Ranges, check_ranges

VOXEL_SIZE = Range(above=0, maximum=10, unit="metres")
RANGES: Ranges = {
    "rotation": Range(minimum=0, maximum=180, unit="degrees"),
    "flip": Range(minimum=0, maximum=1, length=2),
    "scale": Range(above=0.1, maximum=10, length=2, ascending=True),
    "jitter": Range(minimum=0, maximum=1, unit="metres"),
    "jitter_limit": Range(minimum=0, maximum=1, unit="metres"),
    "drop_color": PROBABILITY,
    "contrast": Range(minimum=0, below=1),
    "color_shift": Range(minimum=0, maximum=255),
    "max_voxels": Range(minimum=1, maximum=MAX_COUNT, unit="voxels"),
}


@dataclass(frozen=True)
class PointAugment:
    """Options of the augmentation of clouds of points; the defaults are Swin3D's for S3DIS.

    Attributes:
        rotation: Maximum angle about the vertical in degrees, to both sides.
        flip: Probability of a reversed x axis, and of a reversed y axis.
        scale: Minimum and maximum factor of all lengths.
        jitter: Standard deviation of the noise of each coordinate in metres.
        jitter_limit: Its largest absolute value.
        drop_color: Probability that all points of a cloud become grey.
        contrast: Colours are multiplied, about the middle grey, by one factor from 1 - `contrast`
            to 1 + `contrast`.
        color_shift: A number between -`color_shift` and `color_shift` is added to all reds, one to
            all greens, one to all blues, of 255.
        max_voxels: Voxels of a sample; of a larger cloud those nearest to a random one.

    Raises:
        ConfigError: A value is out of its range.
    """

    rotation: float = 180.0
    flip: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (0.8, 1.2)
    jitter: float = 0.005
    jitter_limit: float = 0.02
    drop_color: float = 0.0
    contrast: float = 0.0
    color_shift: float = 0.0
    max_voxels: int = 80_000

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)
        if self.jitter and not self.jitter_limit:
            raise ConfigError(
                f"augment.jitter={self.jitter} with augment.jitter_limit=0 moves nothing. Give "
                "jitter=0, or a limit, such as 0.02."
            )
