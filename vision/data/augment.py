"""What happens to a training image before it becomes part of a batch: the options."""

from dataclasses import dataclass
from typing import Literal

from vision.errors import ConfigError

Interpolation = Literal["bicubic", "bilinear"]


@dataclass(frozen=True)
class Augment:
    """Options of the augmentation of training images.

    Attributes:
        min_scale: Smallest share of an image's area that a random crop covers, in (0, 1].
        hflip: Probability of mirroring left to right.
        interpolation: Filter of the resize; "random" draws bicubic or bilinear for each image.
        rand_augment: RandAugment in timm's notation, such as "rand-m9-mstd0.5-inc1"; None for none.
        color_jitter: Strength of random changes of brightness, contrast and saturation, such as
            0.4; 0 for none.
        repeats: Draws of each image within an epoch, each augmented by itself, whose length stays
            (repeated augmentation); 1 for none.
        reduced_decode: Whether a large JPEG may be decoded at reduced scale, which is faster;
            pixels then differ a little from those of a full decode.

    Raises:
        ConfigError: A value is out of its range.
    """

    min_scale: float = 0.08
    hflip: float = 0.5
    interpolation: Literal["bicubic", "bilinear", "random"] = "bicubic"
    rand_augment: str | None = None
    color_jitter: float = 0.0
    repeats: int = 1
    reduced_decode: bool = True

    def __post_init__(self) -> None:
        ranges = {
            "min_scale": (0 < self.min_scale <= 1, "in (0, 1]: a share of the image's area"),
            "hflip": (0 <= self.hflip <= 1, "in [0, 1]: a probability"),
            "color_jitter": (0 <= self.color_jitter <= 1, "in [0, 1]"),
            "repeats": (self.repeats >= 1, "1 or more"),
        }
        for name, (fits, expected) in ranges.items():
            if not fits:
                raise ConfigError(f"{name}={getattr(self, name)} must be {expected}.")


NO_OPTIONS = Augment()
