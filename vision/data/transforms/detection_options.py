"""Options of the augmentation for detection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from vision.data.transforms.options import COLOUR, IMAGENET_MEAN
from vision.errors import ConfigError
from vision.options import IMAGE_SIDE, MAX_SIDE, PROBABILITY, Range, Ranges, check_ranges

DetectionCrop = Literal["none", "detr"]
MAX_JITTER = 100

SIDES = Range(minimum=1, maximum=MAX_SIDE, length=0, unit="pixels")
SCALES = Range(minimum=1e-3, maximum=MAX_JITTER, length=2, ascending=True)
RANGES: Ranges = {
    "short_sides": SIDES,
    "long_side": IMAGE_SIDE,
    "hflip": PROBABILITY,
    "crop": get_args(DetectionCrop),
    "crop_sides": SIDES,
    "crop_size": Range(minimum=1, maximum=MAX_SIDE, length=2, ascending=True, unit="pixels"),
    "jitter": Range(minimum=1e-3, maximum=MAX_JITTER, length=2, ascending=True, optional=True),
    "jitter_size": IMAGE_SIDE,
    "photometric": PROBABILITY,
    "min_visible": Range(minimum=0, unit="pixels"),
    "fill": COLOUR,
    "mosaic": PROBABILITY,
    "mosaic_size": IMAGE_SIDE,
    "mosaic_scale": SCALES,
    "mixup": PROBABILITY,
    "mixup_scale": SCALES,
    "copy_paste": PROBABILITY,
    "close_mixing_epochs": Range(minimum=0, unit="epochs"),
}
# The options that mix a training image with others.
MIXING = ("mosaic", "mixup", "copy_paste")


@dataclass(frozen=True)
class DetectionAugment:
    """Options of the augmentation of training images with boxes and masks.

    By default an image is resized to one scale and flipped, as in the 1x recipes. Multi-scale
    training uses `short_sides` from 480 to 800 in steps of 32. The recipe of "End-to-End Object
    Detection with Transformers" (DETR), 2020, section 4, which Swin's and later recipes for
    Mask R-CNN adopted, adds `crop: detr`. Large-scale jitter follows "Simple Copy-Paste is a Strong
    Data Augmentation Method for Instance Segmentation", 2021, section 3; with `copy_paste` objects
    are pasted as there. `mosaic` and `mixup` are those of "YOLOX: Exceeding YOLO Series in 2021",
    section 2.1. The images that one is mixed with are drawn at random from the training set.

    Attributes:
        short_sides: Lengths of the short side in pixels after the resize, one of which is chosen at
            random for each image. Not used with `jitter`.
        long_side: Maximum length of the long side in pixels after the resize, which bounds the
            scale. Not used with `jitter`.
        hflip: Probability of a horizontal flip.
        crop: Random crop of half of the images. "detr" works as if the short side were resized to
            one of `crop_sides` and a window of a random height and width in `crop_size` cut out;
            the window is then resized like a whole image. "none" never crops.
        crop_sides: Lengths of the short side in pixels at which the window is cut out.
        crop_size: Minimum and maximum height and width of the window in pixels at that size. An
            image that is smaller is kept whole along that axis.
        jitter: Minimum and maximum scale of large-scale jitter, such as (0.1, 2.0); None for no
            jitter. The image is scaled so that its long side is `jitter_size` times a random number
            in this range. A larger image is cropped at random to a square of `jitter_size`, a
            smaller one padded at the right and at the bottom.
        jitter_size: Side in pixels of the square image from large-scale jitter.
        photometric: Probability of distorting the colours as in "SSD: Single Shot MultiBox
            Detector", 2016, section 2.2: brightness, contrast, saturation, hue and the order of the
            channels, each in half of these images.
        min_visible: Minimum height and width in pixels of a box in the augmented image; objects
            with smaller boxes are dropped, and with masks also objects without any pixel left.
        fill: Colour (R, G, B), 0..255, of the padding of large-scale jitter, mosaic and mixup.
        albumentations: Transforms of albumentations after all others, as rows such as
            `{name: RandomBrightnessContrast, p: 0.3}`, or a file that its `save` wrote; in Python
            also an `albumentations.Compose`. None for none.
        transform: A callable after all others: a transform of `torchvision.transforms.v2`, which
            gets the targets too, or any function of an image, uint8 `(3, H, W)`. None for none.
        mosaic: Probability that four images, this one first, are put together around a random
            centre, in place of `short_sides`, `crop` and `jitter`. Each is flipped by itself.
        mosaic_size: Side in pixels of the square image from a mosaic.
        mosaic_scale: Minimum and maximum scale of the mosaic, which is cut or padded to the square.
            At 0.5 all of it is seen, at 1 a quarter, in which each image fits into the square.
        mixup: Probability that another image shines through this one, or through the mosaic, at
            half the weight each; the objects of both count.
        mixup_scale: Minimum and maximum scale of that image, at 1 the largest at which it fits. A
            larger one is cropped at random, a smaller one padded at the right and at the bottom.
        copy_paste: Probability that a random part of the objects of another image, which is
            augmented likewise, is pasted onto this one; needs masks. Large-scale jitter (`jitter`)
            gives both images one size. Excludes `mosaic`.
        close_mixing_epochs: Number of epochs at the end of the training without `mosaic`, `mixup`
            and `copy_paste`; 0 never leaves them out.

    Raises:
        ConfigError: A value is out of its range, or options exclude each other.
    """

    short_sides: Sequence[int] = (800,)
    long_side: int = 1333
    hflip: float = 0.5
    crop: DetectionCrop = "none"
    crop_sides: Sequence[int] = (400, 500, 600)
    crop_size: tuple[int, int] = (384, 600)
    jitter: tuple[float, float] | None = None
    jitter_size: int = 1024
    photometric: float = 0.0
    min_visible: float = 1.0
    fill: tuple[int, int, int] = IMAGENET_MEAN
    albumentations: object = None
    transform: object = None
    mosaic: float = 0.0
    mosaic_size: int = 640
    mosaic_scale: tuple[float, float] = (0.1, 2.0)
    mixup: float = 0.0
    mixup_scale: tuple[float, float] = (0.5, 1.5)
    copy_paste: float = 0.0
    close_mixing_epochs: int = 10

    @property
    def mixed(self) -> dict[str, float]:
        """The probabilities of the options that mix images, by name, where they are not 0."""
        return {name: getattr(self, name) for name in MIXING if getattr(self, name)}

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)
        if self.jitter is not None and self.crop != "none":
            raise ConfigError(
                f"jitter={self.jitter!r} and crop={self.crop!r} exclude each other: large-scale "
                "jitter crops by itself. Leave one of them out."
            )
        if self.mosaic and self.copy_paste:
            raise ConfigError(
                f"mosaic={self.mosaic!r} and copy_paste={self.copy_paste!r} exclude each other: "
                "objects are pasted between two images that are augmented alike, and a mosaic has "
                "four. Leave one of them out."
            )
