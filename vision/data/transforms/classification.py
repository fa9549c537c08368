"""Transforms for classification: square crops for training and evaluation."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vision.data.images.jpeg import REDUCTIONS, read_jpeg
from vision.data.images.read import EncodedImage, decode_image
from vision.data.transforms.color_jitter import ColorJitter
from vision.data.transforms.crops import Box, resize_crop, sample_crop
from vision.data.transforms.custom_chain import CustomChain
from vision.data.transforms.options import NO_OPTIONS, Augment, CropMode, Interpolation
from vision.data.transforms.rand_augment import RandAugment
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError
from vision.options import IMAGE_SIDE, Range, Ranges, check_ranges

# Beyond this aspect ratio the ends are cut off before an evaluation resize: its central crop would
# drop them, and resizing a whole 1 x 10,000 image would need gigabytes.
LARGEST_RATIO = 8
RANGES: Ranges = {
    "image_size": IMAGE_SIDE,
    "crop": Range(above=0, maximum=1),
    "crop_mode": get_args(CropMode),
}


class TrainTransform:
    """A random crop of random area and aspect ratio, resized to a square, and augmented.

    The steps and their order equal timm's transform for ImageNet: the crop of "Going Deeper with
    Convolutions", Szegedy et al., 2014, section 6, with aspect ratios in [3/4, 4/3]; horizontal
    flip; RandAugment; colour jitter. Augmentations of other libraries come last. All random numbers
    come from PyTorch's global generator.

    Args:
        image_size: Side of the result in pixels.
        augment: The options.
        antialias: Whether the crop is antialiased where it shrinks, unlike in OpenCV.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(
        self, image_size: int, augment: Augment = NO_OPTIONS, *, antialias: bool = True
    ) -> None:
        check_ranges({"image_size": image_size}, {"image_size": IMAGE_SIDE})
        self.image_size = image_size
        self.augment = augment
        self.antialias = antialias
        self._changes: list[Callable[[np.ndarray, SampleRng], np.ndarray]] = []
        if augment.rand_augment is not None:
            rand_augment = RandAugment(
                augment.rand_augment,
                interpolation=augment.interpolation,
                fill=augment.fill,
                posterize_to_black=augment.posterize_to_black,
            )
            self._changes.append(rand_augment)
        if augment.color_jitter > 0:
            self._changes.append(ColorJitter(augment.color_jitter))
        self._custom = CustomChain(augment.albumentations, augment.transform)

    def __call__(self, image: Tensor) -> Tensor:
        """Map uint8 `(3, H, W)` to uint8 `(3, image_size, image_size)`."""
        rng = SampleRng()
        box = sample_crop(image.shape[1], image.shape[2], self.augment.min_scale, rng)
        return self._finish(image, box, rng)

    def decode(self, encoded: EncodedImage) -> Tensor:
        """The same from an image file; only the needed part is decoded.

        Raises:
            ImageError: The file cannot be read.
        """
        jpeg = read_jpeg(encoded.data)
        if jpeg is None:
            return self(decode_image(encoded))
        rng = SampleRng()
        box = sample_crop(*jpeg.size, self.augment.min_scale, rng)
        reduction = self._reduction(box)
        pixels = jpeg.decode(bottom=box.bottom, reduction=reduction)
        if pixels is None:  # the general reader reads it, or raises the error
            return self._finish(decode_image(encoded), box, rng)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        return self._finish(image, box.reduced(reduction), rng)

    def _reduction(self, box: Box) -> int:
        """The strongest reduction that leaves the crop no smaller than the result."""
        if self.augment.reduced_decode:
            for reduction in REDUCTIONS:
                if min(box.height, box.width) >= reduction * self.image_size:
                    return reduction
        return 1

    def _finish(self, image: Tensor, box: Box, rng: SampleRng) -> Tensor:
        interpolation = self.augment.interpolation
        if interpolation == "random":
            interpolation = "bicubic" if rng.chance(0.5) else "bilinear"
        square = resize_crop(
            image,
            box,
            self.image_size,
            interpolation,
            antialias=self.antialias,
            flip=rng.chance(self.augment.hflip),
        )
        planes = square.numpy()
        for change in self._changes:
            planes = change(planes, rng)
        return self._custom.image(torch.from_numpy(planes))


class EvalTransform:
    """Resize of the short side to `image_size / crop`, then a central square crop.

    Args:
        image_size: Side of the result in pixels.
        crop: Share of the resized short side that the crop keeps, in (0, 1].
        interpolation: Filter of the resize.
        crop_mode: With "squash" both sides are resized to `image_size / crop` before the crop; the
            aspect ratio is not kept.

    Attributes:
        options: The arguments, by name.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(
        self,
        image_size: int,
        *,
        crop: float,
        interpolation: Interpolation,
        crop_mode: CropMode = "center",
    ) -> None:
        self.options = {
            "image_size": image_size,
            "crop": crop,
            "interpolation": interpolation,
            "crop_mode": crop_mode,
        }
        check_ranges(self.options, RANGES)
        side = int(image_size / crop)
        resize = v2.Resize(
            [side, side] if crop_mode == "squash" else side,
            interpolation=_filter(interpolation),
            antialias=True,
        )
        self._transform = v2.Compose([_CutLongEnds(), resize, v2.CenterCrop(image_size)])

    def __call__(self, image: Tensor) -> Tensor:
        """Map uint8 `(3, H, W)` to uint8 `(3, image_size, image_size)`."""
        return self._transform(image)

    def decode(self, encoded: EncodedImage) -> Tensor:
        """The same from an image file."""
        return self(decode_image(encoded))


def whole_square(image_size: int) -> dict[str, Any]:
    """Options of an `EvalTransform` that squashes the whole image to a square.

    Args:
        image_size: Side of the square in pixels.
    """
    return {
        "image_size": image_size,
        "crop": 1.0,
        "interpolation": "bicubic",
        "crop_mode": "squash",
    }


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
