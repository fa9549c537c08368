"""Options of the augmentation for segmentation."""

from dataclasses import dataclass

from vision.errors import ConfigError
from vision.options import MAX_SIDE, PROBABILITY, Range, Ranges, check_ranges

RANGES: Ranges = {
    "scale": Range(minimum=0.01, maximum=100, length=2, ascending=True),
    "crop": Range(
        minimum=1, maximum=MAX_SIDE, length=2, unit="pixels (height, width)", optional=True
    ),
    "max_class_share": Range(above=0, maximum=1),
    "hflip": PROBABILITY,
}


@dataclass(frozen=True)
class SegmentationAugment:
    """Options of the augmentation of training images with a class for each pixel.

    The defaults are as in mmsegmentation's recipes for ADE20K: a random scale, a crop that no class
    fills, a horizontal flip and photometric distortion.

    Attributes:
        short_side: Length of the short side in pixels at scale 1. None, together with `long_side`,
            uses the size of the file.
        long_side: Maximum length of the long side in pixels at scale 1.
        scale: Minimum and maximum of the random scale of each image.
        crop: Height and width in pixels of the crop of the scaled image, and of all training
            batches. Smaller images are padded at the right and at the bottom; None uses the whole
            image.
        max_class_share: If one class covers this share of a crop's labelled pixels or more, another
            crop is sampled, up to ten times. 1 takes the first crop.
        hflip: Probability of a horizontal flip.
        photometric: Whether colours are distorted. See `vision.data.transforms.photometric`.
        albumentations: Transforms of albumentations after all others, as rows such as
            `{name: RandomBrightnessContrast, p: 0.3}`, or a file that its `save` wrote; in Python
            also an `albumentations.Compose`. None for none.
        transform: A callable after all others: a transform of `torchvision.transforms.v2`, which
            gets the targets too, or any function of an image, uint8 `(3, H, W)`. None for none.

    Raises:
        ConfigError: A value is out of its range.
    """

    short_side: int | None = 512
    long_side: int | None = 2048
    scale: tuple[float, float] = (0.5, 2.0)
    crop: tuple[int, int] | None = (512, 512)
    max_class_share: float = 0.75
    hflip: float = 0.5
    photometric: bool = True
    albumentations: object = None
    transform: object = None

    def __post_init__(self) -> None:
        require_sides(self.short_side, self.long_side)
        check_ranges(vars(self), RANGES)


def require_sides(short_side: int | None, long_side: int | None) -> None:
    """Raise an error unless both lengths are at least 1 pixel, or both are None.

    Raises:
        ConfigError: They are not.
    """
    given = [side for side in (short_side, long_side) if side is not None]
    if len(given) == 1 or (given and not 1 <= min(given) <= max(given) <= MAX_SIDE):
        raise ConfigError(
            f"short_side={short_side} and long_side={long_side} must be from 1 to {MAX_SIDE:,} "
            "pixels, or both null, for no resize."
        )
