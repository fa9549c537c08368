"""Options of the augmentation for panoptic segmentation."""

from dataclasses import dataclass

from vision.data.transforms.options import COLOUR, IMAGENET_MEAN
from vision.options import MAX_SIDE, PROBABILITY, Range, Ranges, check_ranges

RANGES: Ranges = {
    "crop": Range(minimum=1, maximum=MAX_SIDE, length=2, unit="pixels (height, width)"),
    "scale": Range(minimum=0.01, maximum=100, length=2, ascending=True),
    "hflip": PROBABILITY,
    "min_labelled": Range(minimum=0, maximum=1),
    "fill": COLOUR,
}


@dataclass(frozen=True)
class PanopticAugment:
    """Options of the augmentation of training images with segments.

    The defaults are as in kMaX-DeepLab's recipe for COCO: a random scale, a crop, a horizontal
    flip, photometric distortion, and segments of another image pasted in.

    Attributes:
        crop: Height and width in pixels of the crop of the scaled image, and of all training
            batches. Smaller images are padded at the right and at the bottom.
        scale: Minimum and maximum of the random scale of each image, at 1 the largest at which it
            fits into the crop.
        hflip: Probability of a horizontal flip.
        photometric: Whether colours are distorted. See `vision.data.transforms.photometric`.
        copy_paste: Whether segments of another random image are pasted in, which is prepared alike
            at half the scale. See `vision.data.transforms.copy_paste`.
        min_labelled: A result in which no more than this share of the crop's pixels is labelled is
            replaced by another image, up to twenty times; so is one without a segment. Published
            are 4,096 of 321 x 321 pixels, a quarter of each side, for every data set.
        fill: Colour (R, G, B), 0..255, of padding that pasted segments surround.
        albumentations: Transforms of albumentations after all others, as rows such as
            `{name: RandomBrightnessContrast, p: 0.3}`, or a file that its `save` wrote; in Python
            also an `albumentations.Compose`. None for none.
        transform: A callable after all others: a transform of `torchvision.transforms.v2`, which
            gets the targets too, or any function of an image, uint8 `(3, H, W)`. None for none.

    Raises:
        ConfigError: A value is out of its range.
    """

    crop: tuple[int, int] = (1281, 1281)
    scale: tuple[float, float] = (0.2, 2.0)
    hflip: float = 0.5
    photometric: bool = True
    copy_paste: bool = True
    min_labelled: float = 0.04
    fill: tuple[int, int, int] = IMAGENET_MEAN
    albumentations: object = None
    transform: object = None

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)
