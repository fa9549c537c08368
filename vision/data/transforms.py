"""From an image file to the square that a classifier takes: crops of training and evaluation."""

from typing import Any

from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vision.data.augment import NO_OPTIONS, Augment, Interpolation
from vision.data.images import EncodedImage, decode_image
from vision.errors import ConfigError

# Beyond this ratio of sides the ends are cut off before an evaluation resize: its central crop
# would drop them, and resizing a 1 x 10,000 image whole would need gigabytes.
LARGEST_RATIO = 8


class TrainTransform:
    """A random crop of random area and aspect ratio, resized to a square, and augmented.

    The crop of "Going Deeper with Convolutions", Szegedy et al., 2014, section 6, with aspect
    ratios in [3/4, 4/3]. All random numbers come from PyTorch's global generator.

    Args:
        image_size: Side of the result in pixels.
        augment: The options.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(self, image_size: int, augment: Augment = NO_OPTIONS) -> None:
        _check_size(image_size)
        crop = v2.RandomResizedCrop(
            image_size,
            scale=(augment.min_scale, 1.0),
            interpolation=_filter(augment.interpolation),
            antialias=True,
        )
        self._transform = v2.Compose([crop, v2.RandomHorizontalFlip(augment.hflip)])

    def __call__(self, image: Tensor) -> Tensor:
        """Map uint8 `(3, H, W)` to uint8 `(3, image_size, image_size)`."""
        return self._transform(image)

    def decode(self, encoded: EncodedImage) -> Tensor:
        """The same from an image file, of which only what is needed is decoded."""
        return self(decode_image(encoded))


class EvalTransform:
    """The central square of an image: its short side resized to `image_size / crop`, then a crop.

    Args:
        image_size: Side of the result in pixels.
        crop: Share of the resized short side that the crop keeps, in (0, 1].
        interpolation: Filter of the resize.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(self, image_size: int, *, crop: float, interpolation: Interpolation) -> None:
        _check_size(image_size)
        if not 0 < crop <= 1:
            raise ConfigError(f"crop={crop} must be in (0, 1]: a share of the resized short side.")
        resize = v2.Resize(
            int(image_size / crop), interpolation=_filter(interpolation), antialias=True
        )
        self._transform = v2.Compose([_CutLongEnds(), resize, v2.CenterCrop(image_size)])

    def __call__(self, image: Tensor) -> Tensor:
        """Map uint8 `(3, H, W)` to uint8 `(3, image_size, image_size)`."""
        return self._transform(image)

    def decode(self, encoded: EncodedImage) -> Tensor:
        """The same from an image file."""
        return self(decode_image(encoded))


class _CutLongEnds(nn.Module):
    """Cuts both ends off an image that is more than `LARGEST_RATIO` times as long as wide."""

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        longest = LARGEST_RATIO * min(height, width)
        if max(height, width) <= longest:
            return image
        return F.center_crop(image, [min(height, longest), min(width, longest)])


def _filter(interpolation: str) -> Any:
    filters = {"bicubic": v2.InterpolationMode.BICUBIC, "bilinear": v2.InterpolationMode.BILINEAR}
    if interpolation not in filters:
        raise ConfigError(f"interpolation={interpolation!r} must be one of {', '.join(filters)}.")
    return filters[interpolation]


def _check_size(image_size: int) -> None:
    if image_size < 1:
        raise ConfigError(f"image_size={image_size} must be at least 1 pixel.")
