"""Transforms for segmentation: images with their masks, in training and evaluation."""

from abc import ABC, abstractmethod
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from vision.data.images.read import EncodedImage
from vision.data.transforms.crops import Box
from vision.data.transforms.custom_chain import CustomChain
from vision.data.transforms.detection import decode_annotated, require_flag
from vision.data.transforms.geometry import Geometry, Size, fit_size, sample_window
from vision.data.transforms.photometric import distort
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segmentation_options import SegmentationAugment, require_sides
from vision.data.transforms.varied_masks import is_varied
from vision.errors import ImageError

# Number of crops to try; if one class fills all of them, the next is used unchecked.
TRIES = 10


class ScaledCrop(Protocol):
    """Options of a random scale, crop and flip, as in `SegmentationAugment`."""

    @property
    def short_side(self) -> int | None:
        """Length of the short side in pixels at scale 1."""

    @property
    def long_side(self) -> int | None:
        """Maximum length of the long side in pixels at scale 1."""

    @property
    def scale(self) -> tuple[float, float]:
        """Minimum and maximum of the random scale."""

    @property
    def crop(self) -> Size | None:
        """Height and width of the crop in pixels."""

    @property
    def hflip(self) -> float:
        """Probability of a horizontal flip."""


class TransformedPair(NamedTuple):
    """An image for a segmenter, and its mask.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        mask: uint8 `(h, w)` class index or `IGNORED`; None if none was given.
        original_size: Height and width in pixels of the file, in the frame of its mask.
    """

    image: Tensor
    mask: Tensor | None
    original_size: Size


class SegmentationTransform(ABC):
    """Decodes an image, and changes it and its mask.

    Attributes:
        canvas: Minimum height and width in pixels of batches of the results; None for no minimum.
    """

    canvas: Size | None = None

    @abstractmethod
    def change(self, image: Tensor, mask: np.ndarray | None) -> tuple[Tensor, np.ndarray | None]:
        """Change an image, uint8 `(3, H, W)`, and its mask, uint8 `(H, W)`."""

    def decode(
        self, encoded: EncodedImage, mask: np.ndarray | None = None, mask_path: str = ""
    ) -> TransformedPair:
        """Make the sample of an image file.

        Args:
            encoded: The file.
            mask: Its mask, uint8 `(H, W)` class index or `IGNORED`; None for an image to predict.
            mask_path: Path of the mask, for errors.

        Raises:
            ImageError: The file cannot be read, or the mask has another size.
        """
        image = decode_masked(encoded, mask, mask_path)
        changed, changed_mask = self.change(image, mask)
        return TransformedPair(
            changed,
            None if changed_mask is None else torch.from_numpy(changed_mask),
            (image.shape[1], image.shape[2]),
        )


class SegmentationTrainTransform(SegmentationTransform):
    """The random augmentation of a training image and its mask, with random numbers from PyTorch.

    Both have the same geometry. The image is resampled once, bilinearly. The mask is resampled once
    by the nearest pixel, so that no new labels arise. Augmentations of other libraries come last.

    Args:
        augment: The options.
        antialias: Whether the image is antialiased where it shrinks, unlike in mmsegmentation.
    """

    def __init__(self, augment: SegmentationAugment, *, antialias: bool = True) -> None:
        self.augment = augment
        self.antialias = antialias
        self.canvas = augment.crop
        self._custom = CustomChain(augment.albumentations, augment.transform)

    def change(self, image: Tensor, mask: np.ndarray | None) -> tuple[Tensor, np.ndarray | None]:
        """Change an image, uint8 `(3, H, W)`, and its mask, uint8 `(H, W)`."""
        rng = SampleRng()
        size = (image.shape[1], image.shape[2])
        geometry = sample_geometry(size, mask, self.augment, rng)
        changed = geometry.resize(
            geometry.crop(image),
            antialias=self.antialias,
            recolor=partial(distort, rng=rng) if self.augment.photometric else None,
        )
        if mask is None:
            return self._custom.image(changed), None
        return self._custom.pair(changed, geometry.mask(geometry.crop(mask[None])[0]))


class SegmentationEvalTransform(SegmentationTransform):
    """A resize of the whole image; the mask keeps the size of the file.

    Args:
        short_side: Length of the short side in pixels; None, with `long_side`, for no resize.
        long_side: Largest length of the long side in pixels.
        antialias: Whether the image is antialiased where it shrinks.

    Attributes:
        options: The arguments, by name.

    Raises:
        ConfigError: A length is less than one pixel, or only one is given.
    """

    def __init__(
        self,
        *,
        short_side: int | None = 512,
        long_side: int | None = 2048,
        antialias: bool = True,
    ) -> None:
        require_sides(short_side, long_side)
        require_flag(antialias, "antialias")
        self.short_side = short_side
        self.long_side = long_side
        self.antialias = antialias
        self.options = {
            "short_side": short_side,
            "long_side": long_side,
            "antialias": antialias,
        }

    def change(self, image: Tensor, mask: np.ndarray | None) -> tuple[Tensor, np.ndarray | None]:
        """Resize an image, uint8 `(3, H, W)`; a mask is returned unchanged."""
        size = (image.shape[1], image.shape[2])
        fitted = scaled_size(size, self.short_side, self.long_side)
        if fitted == size:
            return image.contiguous(), mask
        geometry = Geometry(size, Box(0, 0, *size), fitted, flip=False, canvas=fitted)
        return geometry.resize(image, antialias=self.antialias), mask


def decode_masked(
    encoded: EncodedImage,
    mask: np.ndarray | None,
    mask_path: str,
    *,
    strict: bool = False,
    what: str = "mask",
) -> Tensor:
    """Decode an image in the frame of its mask.

    An image is turned upright by its metadata (EXIF), unless its mask has the size of the pixels as
    stored.

    Args:
        encoded: The file.
        mask: Its mask `(H, W)`; None if there is none.
        mask_path: Path of the mask, for errors.
        strict: As in `decode_image`.
        what: What errors call the mask.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ImageError: The file cannot be read, or the mask has another size.
    """
    image = decode_annotated(encoded, (0, 0), strict=strict)
    if mask is None or image.shape[1:] == mask.shape:
        return image
    try:
        return decode_annotated(encoded, (mask.shape[0], mask.shape[1]))
    except ImageError:
        raise ImageError(
            f"{what} '{mask_path}' is {mask.shape[0]} x {mask.shape[1]} pixels (height x width), "
            f"but its image '{encoded.name}' is {image.shape[1]} x {image.shape[2]}. Each pixel of "
            f"the image needs one of the {what}: put back the files that belong together, or "
            f"resize the {what} without interpolation (nearest pixel)."
        ) from None


def scaled_size(
    size: Size,
    short_side: int | None,
    long_side: int | None,
    scale: float = 1.0,
    *,
    overlong: bool = False,
) -> Size:
    """The size of an image fitted to two sides times a scale.

    Rounding is as in mmsegmentation's `RandomResize` and `Resize`: the sides are truncated to whole
    pixels and passed to `fit_size`.

    Args:
        size: Height and width in pixels.
        short_side: Length of the short side at scale 1; None, with `long_side`, uses `size`.
        long_side: Largest length of the long side at scale 1.
        scale: The scale.
        overlong: As in `fit_size`.
    """
    short = min(size) if short_side is None else short_side
    long = max(size) if long_side is None else long_side
    return fit_size(
        size,
        short_side=max(1, int(short * scale)),
        long_side=max(1, int(long * scale)),
        overlong=overlong,
    )


def sample_geometry(
    size: Size, mask: np.ndarray | None, augment: SegmentationAugment, rng: SampleRng
) -> Geometry:
    """Sample the geometry of a training image.

    mmsegmentation resizes an image and then crops a window. Here the window is sampled at the same
    size, but cropped from the file's pixels, to the nearest ones, and the shares of the classes are
    counted there. As in its `RandomCrop`, up to ten windows are tried: the first one is used in
    which there is more than one class and every class covers less than `max_class_share` of the
    labelled pixels; otherwise an eleventh is used unchecked.

    Args:
        size: Height and width of the image in pixels.
        mask: Its mask, uint8 `(H, W)`; None for no limit on the classes.
        augment: The options.
        rng: Random numbers of the sample.
    """
    scaled, kept, flip = sample_sizes(size, augment, rng)
    window = sample_window(size, scaled, kept, rng)
    if mask is not None and augment.max_class_share < 1 and kept != scaled:
        for _ in range(TRIES):
            if is_varied(mask[window.slices], augment.max_class_share):
                break
            window = sample_window(size, scaled, kept, rng)
    return Geometry(size, window, kept, flip, kept)


def sample_sizes(size: Size, augment: ScaledCrop, rng: SampleRng) -> tuple[Size, Size, bool]:
    """Sample the scale of an image, and whether it is flipped.

    Args:
        size: Its height and width in pixels.
        augment: The options.
        rng: Random numbers of the sample.

    Returns:
        Height and width of the scaled image, and of the crop from it; and whether to flip.
    """
    scale = rng.uniform(*augment.scale)
    scaled = scaled_size(size, augment.short_side, augment.long_side, scale, overlong=True)
    flip = rng.chance(augment.hflip)
    crop = scaled if augment.crop is None else augment.crop
    return scaled, (min(scaled[0], crop[0]), min(scaled[1], crop[1])), flip
