"""Options of the augmentation for depth and surface normals."""

from dataclasses import dataclass

from vision.data.transforms.segmentation_options import RANGES as SCALE_AND_CROP
from vision.data.transforms.segmentation_options import require_sides
from vision.options import Range, Ranges, check_ranges

RANGES: Ranges = {
    **{name: SCALE_AND_CROP[name] for name in ("scale", "crop", "hflip")},
    "rotation": Range(minimum=0, maximum=45, unit="degrees"),
}


@dataclass(frozen=True)
class DenseAugment:
    """Options of the augmentation of training images with a depth or a normal for each pixel.

    Attributes:
        short_side: Length of the short side in pixels at scale 1. None, together with `long_side`,
            uses the size of the file.
        long_side: Maximum length of the long side in pixels at scale 1.
        scale: Minimum and maximum of the random scale of each image.
        keep_focal: Whether a scaled image counts as one of the same focal length, so that depth is
            divided by the scale of the pixels (that of `short_side` too). False leaves depth as it
            is, and the focal length is scaled.
        crop: Height and width in pixels of the crop of the scaled image, and of all training
            batches. Smaller images are padded at the right and at the bottom; None uses the whole
            image.
        rotation: Maximum angle in degrees of a random rotation to either side, about the middle.
            What it uncovers is black, without depth or normal.
        hflip: Probability of a horizontal flip.
        photometric: Whether colours are distorted. See `vision.data.transforms.photometric`.
        albumentations: Transforms of albumentations after all others, as rows such as
            `{name: RandomBrightnessContrast, p: 0.3}`, or a file that its `save` wrote; in Python
            also an `albumentations.Compose`. They may not move pixels. None for none.
        transform: A callable after all others: a transform of `torchvision.transforms.v2` that
            moves no pixels, or any function of an image, uint8 `(3, H, W)`. None for none.

    Raises:
        ConfigError: A value is out of its range.
    """

    short_side: int | None = None
    long_side: int | None = None
    scale: tuple[float, float] = (1.0, 1.5)
    keep_focal: bool = False
    crop: tuple[int, int] | None = None
    rotation: float = 0.0
    hflip: float = 0.5
    photometric: bool = True
    albumentations: object = None
    transform: object = None

    def __post_init__(self) -> None:
        require_sides(self.short_side, self.long_side)
        check_ranges(vars(self), RANGES)
