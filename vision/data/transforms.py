"""Crops of training and evaluation for classification, on uint8 images."""

from typing import Any, Literal

from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vision.errors import ConfigError

Interpolation = Literal["bicubic", "bilinear"]

# Beyond this ratio of sides the ends are cut off before an evaluation resize: its central crop
# would drop them, and resizing a 1 x 10,000 image whole would need gigabytes.
LARGEST_RATIO = 8


def train_transform(
    image_size: int, *, min_scale: float, hflip: float, interpolation: Interpolation
) -> nn.Module:
    """A random crop of random area and aspect ratio, resized to a square, mirrored at random.

    The crop of "Going Deeper with Convolutions", Szegedy et al., 2014, section 6, with aspect
    ratios in [3/4, 4/3].

    Args:
        image_size: Side of the result in pixels.
        min_scale: Smallest share of the image's area that a crop covers, in (0, 1].
        hflip: Probability of mirroring left to right.
        interpolation: Filter of the resize.

    Returns:
        A module that maps uint8 `(3, H, W)` to uint8 `(3, image_size, image_size)` and draws from
        PyTorch's global generator.

    Raises:
        ConfigError: A value is out of its range.
    """
    _check_size(image_size)
    if not 0 < min_scale <= 1:
        raise ConfigError(f"min_scale={min_scale} must be in (0, 1]: a share of the image's area.")
    if not 0 <= hflip <= 1:
        raise ConfigError(f"hflip={hflip} must be in [0, 1]: a probability.")
    resized_crop = v2.RandomResizedCrop(
        image_size, scale=(min_scale, 1.0), interpolation=_filter(interpolation), antialias=True
    )
    return v2.Compose([resized_crop, v2.RandomHorizontalFlip(hflip)])


def eval_transform(image_size: int, *, crop: float, interpolation: Interpolation) -> nn.Module:
    """The central square of an image: its short side resized to `image_size / crop`, then a crop.

    Args:
        image_size: Side of the result in pixels.
        crop: Share of the resized short side that the crop keeps, in (0, 1].
        interpolation: Filter of the resize.

    Returns:
        A module that maps uint8 `(3, H, W)` to uint8 `(3, image_size, image_size)`.

    Raises:
        ConfigError: A value is out of its range.
    """
    _check_size(image_size)
    if not 0 < crop <= 1:
        raise ConfigError(f"crop={crop} must be in (0, 1]: a share of the resized short side.")
    resize = v2.Resize(int(image_size / crop), interpolation=_filter(interpolation), antialias=True)
    return v2.Compose([_CutLongEnds(), resize, v2.CenterCrop(image_size)])


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
