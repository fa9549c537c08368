"""Random resized crops."""

import math
from typing import Literal, NamedTuple

from torch import Tensor

from vision.data.transforms.resizing import resize_planes
from vision.data.transforms.rng import SampleRng

SMALLEST_ASPECT, LARGEST_ASPECT = 3 / 4, 4 / 3  # width / height
# Number of tries for a crop that fits the image, before the largest central one is used.
ATTEMPTS = 10


class Box(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.top + self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.left + self.width)

    def reduced(self, by: int) -> "Box":
        """The nearest box of whole pixels in an image of `1 / by` of the size."""
        top, left = round(self.top / by), round(self.left / by)
        right = self.left + self.width
        return Box(top, left, round(self.bottom / by) - top, round(right / by) - left)


def sample_crop(height: int, width: int, min_scale: float, rng: SampleRng) -> Box:
    """Choose a crop of random area and aspect ratio.

    From "Going Deeper with Convolutions", Szegedy et al., 2014, section 6. The area, the logarithm
    of the aspect ratio, and the position inside the image are uniform.

    Args:
        height: Height of the image in pixels.
        width: Its width.
        min_scale: Smallest share of the image's area, in (0, 1].
        rng: Random numbers of the sample.
    """
    for _ in range(ATTEMPTS):
        area = height * width * rng.uniform(min_scale, 1)
        aspect = math.exp(rng.uniform(math.log(SMALLEST_ASPECT), math.log(LARGEST_ASPECT)))
        crop_width, crop_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top = rng.below(height - crop_height + 1)
            left = rng.below(width - crop_width + 1)
            return Box(top, left, crop_height, crop_width)
    crop_height = min(height, round(width / SMALLEST_ASPECT))
    crop_width = min(width, round(height * LARGEST_ASPECT))
    return Box((height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width)


def resize_crop(
    image: Tensor,
    box: Box,
    size: int,
    interpolation: Literal["bilinear", "bicubic"],
    *,
    antialias: bool = True,
    flip: bool = False,
) -> Tensor:
    """Resize a part of an image to a square, as Pillow resizes its crop.

    Args:
        image: uint8 `(3, H, W)`; fastest with interleaved channels (channels last in memory).
        box: The part.
        size: Side of the square in pixels.
        interpolation: The filter.
        antialias: Whether the filter widens where it scales down.
        flip: Whether the square is flipped horizontally.

    Returns:
        uint8 `(3, size, size)`, contiguous.
    """
    rows, columns = box.slices
    return resize_planes(
        image[:, rows, columns],
        (size, size),
        interpolation=interpolation,
        antialias=antialias,
        flip=flip,
    )
