"""Options of the augmentation for classification."""

from dataclasses import dataclass
from typing import Literal, get_args

from vision.options import PROBABILITY, Range, Ranges, check_ranges

Interpolation = Literal["bicubic", "bilinear"]
# Evaluation on the central square of an image, or on all of it, squashed to a square.
CropMode = Literal["center", "squash"]

# The mean colour of ImageNet, (0.485, 0.456, 0.406), in 0..255.
IMAGENET_MEAN = (124, 116, 104)
COLOUR = Range(minimum=0, maximum=255, length=3)
RANGES: Ranges = {
    "min_scale": Range(above=0, maximum=1),
    "hflip": PROBABILITY,
    "color_jitter": Range(minimum=0, maximum=1),
    "interpolation": (*get_args(Interpolation), "random"),
    "fill": COLOUR,
    "repeats": Range(minimum=1),
}


@dataclass(frozen=True)
class Augment:
    """Options of the augmentation of training images.

    Attributes:
        min_scale: Minimum share of an image's area that a random crop covers, in (0, 1].
        hflip: Probability of a horizontal flip.
        interpolation: Filter of the resize, and of the rotations, shears and translations of
            RandAugment. "random" chooses bicubic or bilinear each time.
        rand_augment: RandAugment in timm's notation, such as "rand-m9-mstd0.5-inc1"; None for no
            RandAugment.
        posterize_to_black: Whether RandAugment's posterize makes the image black (0 bits) at the
            magnitudes at which timm's does.
        fill: Colour (R, G, B), 0..255, of the area that rotations, shears and translations uncover.
            In published recipes it is the mean of the model's normalisation.
        color_jitter: Strength of random changes of brightness, contrast and saturation, such as
            0.4; 0 for no change. It is applied with RandAugment too, where timm ignores its option.
        repeats: Number of repeats of each image within an epoch, each with its own augmentation
            (repeated augmentation); the length of the epoch stays. 1 for no repetition.
        reduced_decode: Whether a large JPEG may be decoded at 1/2, 1/4 or 1/8 of its size if the
            crop stays at least as large as the result, which is faster. Crops then begin and end at
            multiples of 2, 4 or 8 pixels, and pixels differ a little from a full decode: by about
            one level of 256 on average for photographs.
        albumentations: Transforms of albumentations after all others, as rows such as
            `{name: RandomBrightnessContrast, p: 0.3}`, or a file that its `save` wrote; in Python
            also an `albumentations.Compose`. None for none.
        transform: A callable after all others: a transform of `torchvision.transforms.v2`, or any
            function of an image, uint8 `(3, H, W)`. None for none.

    Raises:
        ConfigError: A value is out of its range.
    """

    min_scale: float = 0.08
    hflip: float = 0.5
    interpolation: Literal["bicubic", "bilinear", "random"] = "bicubic"
    rand_augment: str | None = None
    posterize_to_black: bool = False
    fill: tuple[int, int, int] = IMAGENET_MEAN
    color_jitter: float = 0.0
    repeats: int = 1
    reduced_decode: bool = True
    albumentations: object = None
    transform: object = None

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)


NO_OPTIONS = Augment()
